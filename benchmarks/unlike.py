"""Which images does a champion call unlike its training? The share by kind, each with its n.

    python -m benchmarks.unlike --model models:/mineral-classifier@champion --data PHOTOGRAPHS

Kinds that come with the libraries: coins, faces, objects, stones, grass; and made: plain surfaces
and noise. Then each class of the collection, as if it had been left out of the training: the
model's distances are fitted on the other classes alone (its embedding is that of the whole model,
which for a probe was never trained on any of them).
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.evaluation import wilson
from mineralsweep.serving import familiarity
from mineralsweep.serving.served import Served

Pixels = NDArray[np.uint8]
OBJECTS = (
    "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg",
    "retina.jpg", "clock_motion.png", "page.png", "text.png", "logo.png", "ihc.png", "cell.png",
    "microaneurysms.png", "horse.png", "moon.png", "chessboard_RGB.png", "color.png",
    "camera.png", "astronaut.png", "phantom.png",
)  # fmt: skip
"""Of scikit-image's own pictures."""
CROPS = 3
SIDE = 300


def main() -> None:
    """Ask the model, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="models:/mineral-classifier@champion")
    parser.add_argument("--data", required=True, help="the collection it was trained on")
    parser.add_argument("--split", default="40/20/40")
    options = parser.parse_args()
    from mineralsweep.registry import load_classifier
    from mineralsweep.tracking import open_store

    open_store()
    model = load_classifier(options.model)
    found = {name: _share(model, images) for name, images in kinds().items()}
    served = model.unwrap_python_model().served
    settings = DataSettings(options.data, options.split, 0)
    print(json.dumps({**found, **_left_out(served, settings)}, indent=1))


def kinds() -> dict[str, list[Pixels]]:
    """Return images of each kind, uint8 (height, width, 3)."""
    random = np.random.default_rng(0)
    return {
        "coins": list(_coins()),
        "faces": list(_faces()),
        "plain": list(_plain()),
        "noise": list(_noise(random)),
        "objects": list(_objects(random)),
        "gravel and bricks": [
            crop for name in ("gravel.png", "brick.png") for crop in _crops(name, 12, random)
        ],
        "grass": list(_crops("grass.png", 12, random)),
    }


def _share(model: object, images: Sequence[Pixels]) -> str:
    frame = pd.DataFrame({"image": [_jpeg(one) for one in images]})
    verdicts = model.predict(frame)["verdict"]  # type: ignore[attr-defined]
    return str(wilson(int((verdicts == "unlike_training").sum()), len(images)))


def _left_out(served: Served, settings: DataSettings) -> Mapping[str, str]:
    """Return the share of each class, where the others alone are known."""
    from mineralsweep.data import arrays
    from mineralsweep.registry.seen import describe

    dataset = open_dataset(settings)
    images, labels = arrays.load(dataset.arrays(served.classifier.image_size)), dataset.labels()
    every = tuple(range(len(labels)))
    seen = describe(served.classifier, images, every)
    shares = {}
    for place, name in enumerate(dataset.classes):
        own, held = (
            [row for row in rows if labels[row] != place]
            for rows in (dataset.split.train, dataset.split.validation)
        )
        known, _ = familiarity.fit(seen, [(own, held)])
        rows = [row for row in every if labels[row] == place]
        unlike = int((known.novelty(seen.of(rows)) > 1.0).sum())
        shares[f"left out: {name}"] = str(wilson(unlike, len(rows)))
    return shares


def _picture(name: str) -> Pixels:
    from skimage import data

    return np.asarray(Image.open(Path(data.__file__).parent / name).convert("RGB"))


def _crops(name: str, count: int, random: np.random.Generator) -> Iterator[Pixels]:
    image = _picture(name)
    for _ in range(count):
        side = int(min(image.shape[:2]) * random.uniform(0.35, 0.85))
        top, left = (int(random.integers(0, length - side + 1)) for length in image.shape[:2])
        yield image[top : top + side, left : left + side]


def _coins() -> Iterator[Pixels]:
    image = _picture("coins.png")
    height, width = image.shape[0] / 4.1, image.shape[1] / 6
    for row in range(4):
        for column in range(6):
            top = int(row * height)
            yield image[top + 8 : top + int(height) + 10, int(column * width) :][:, : int(width)]


def _faces() -> Iterator[Pixels]:
    from skimage import data

    for grey in data.lfw_subset()[:60]:
        small = Image.fromarray((np.clip(grey, 0, 1) * 255).astype(np.uint8))
        large = np.asarray(small.resize((250, 250), Image.Resampling.BICUBIC), np.float64)
        yield np.clip(large[..., None] * np.array([1.1, 0.9, 0.75]), 0, 255).astype(np.uint8)
    yield _picture("astronaut.png")[:260, 90:350]


def _plain() -> Iterator[Pixels]:
    for grey in (0, 5, 12, 64, 128, 250, 255):
        yield np.full((SIDE, SIDE, 3), grey, np.uint8)
    for colour in ((255, 0, 0), (0, 255, 0), (40, 60, 120), (120, 80, 40), (200, 180, 160)):
        yield np.broadcast_to(np.array(colour, np.uint8), (SIDE, SIDE, 3))


def _noise(random: np.random.Generator) -> Iterator[Pixels]:
    for side in (SIDE,) * 10 + (4, 8, 8, 16, 16, 32, 64):
        coarse = random.integers(0, 256, (side, side, 3)).astype(np.uint8)
        yield np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    for _ in range(5):
        yield np.clip(random.normal(128, 40, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def _objects(random: np.random.Generator) -> Iterator[Pixels]:
    from sklearn.datasets import load_sample_images

    yield from load_sample_images().images
    for name in OBJECTS:
        yield _picture(name)
        yield from _crops(name, CROPS, random)


def _jpeg(image: Pixels) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(content, "JPEG", quality=92)
    return content.getvalue()


if __name__ == "__main__":
    main()
