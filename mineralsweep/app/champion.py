"""A model to be asked from Python: it answers photographs, and shows where it looked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mineralsweep.app.predict import BATCH, SAID, Model
from mineralsweep.data import reading
from mineralsweep.errors import UnusableImage

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from PIL.Image import Image

    Photograph = str | Path | bytes | Image

OF_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
"""What Pillow writes to PNG as it is; other images become RGB."""


class Champion:
    """A model that can be asked. It is loaded when it is first asked.

    Args:
        uri: of the model; None: the champion of mineral-classifier.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._model = Model(uri)
        self.uri: str = self._model.uri
        """With the version's number: it stays the same where the alias moves."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""
        return self._model.classes

    @property
    def card(self) -> str:
        """What it is, what it was trained on, how good it is, in Markdown; "" without one."""
        from mineralsweep.registry.versions import Versions
        from mineralsweep.tracking import open_store

        kind, _, rest = self.uri.partition(":/")
        name, _, version = rest.rpartition("/")
        if kind != "models" or not name:
            return ""
        return str(Versions(open_store(), name).get(version).description or "")

    def predict(self, images: Photograph | Sequence[Photograph]) -> pd.DataFrame:
        """Classify images.

        Args:
            images: files, contents of files, or images of Pillow's; one, or several.

        Returns:
            A row an image, in their order: `image` (the file, or its place), `label`,
            `confidence` and `probabilities` (a dict by class), `verdict` ("like_training" or
            "unlike_training") and `novelty`, None where the model does not tell, and `reason`: why
            an image could not be used, else "".
        """
        import pandas as pd

        several = _several(images)
        contents = [_read(one) for one in several]
        usable = [content for content, reason in contents if not reason]
        said = iter(
            answer
            for start in range(0, len(usable), BATCH)
            for answer in self._model.ask(usable[start : start + BATCH])
        )
        rows: list[dict[str, Any]] = []
        for place, (one, (_, reason)) in enumerate(zip(several, contents, strict=True)):
            named = str(one) if isinstance(one, str | Path) else str(place)
            answer = reason or next(said)
            told = {"reason": answer} if isinstance(answer, str) else answer
            rows.append({"image": named, **dict.fromkeys(SAID), "reason": "", **told})
        return pd.DataFrame(rows, columns=["image", *SAID, "reason"])

    def explain(self, image: Photograph) -> Figure:
        """Draw where the model looked: what its answer loses where a part is covered.

        Raises:
            UnusableImage: it can't be decoded.
            InputError: the model is of another release or make.
        """
        import numpy as np

        from mineralsweep.data.decode import decode
        from mineralsweep.report.charts import Chart
        from mineralsweep.web import explain

        served = self._model.served
        pixels = decode(_content(image), served.classifier.image_size, served.bits)
        heat = explain.heat(served, pixels)
        [answer] = served.classify(pixels[None])
        best = int(answer.probabilities.argmax())
        height, width = pixels.shape[:2]
        figure = Chart(figsize=(7.2, 3.6))
        for axes, shown in zip(figure.subplots(1, 2), (False, True), strict=True):
            axes.imshow(pixels)
            if shown:
                cell = np.ones((-(-height // len(heat)), -(-width // len(heat))))
                axes.imshow(np.kron(heat, cell)[:height, :width], cmap="viridis", alpha=0.6)
            axes.set_axis_off()
        figure.suptitle(f"{self.classes[best]} {answer.probabilities[best]:.2f}")
        return figure

    def __repr__(self) -> str:
        return f"Champion({self.uri!r})"


def _several(images: Photograph | Sequence[Photograph]) -> list[Photograph]:
    from PIL.Image import Image

    return [images] if isinstance(images, str | Path | bytes | Image) else list(images)


def _read(image: Photograph) -> tuple[bytes, str]:
    """Return the content of an image's file, and why it can't be read: one of them is empty."""
    try:
        content = _content(image)
    except UnusableImage as error:
        return b"", str(error)
    return content, "" if content else "it is empty"


def _content(image: Photograph) -> bytes:
    """Return the content of an image's file.

    Raises:
        UnusableImage: it can't be read.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        return reading.content(Path(image))
    from PIL import ImageOps

    buffer = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode not in OF_PNG:
            upright = upright.convert("RGB")
        upright.save(buffer, "PNG")
    except (OSError, ValueError) as error:
        raise UnusableImage(f"Pillow can't write it: {error}") from error
    return buffer.getvalue()
