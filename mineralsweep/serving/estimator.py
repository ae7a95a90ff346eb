"""A fitted estimator in a folder: a skops file (no pickle), and what it has to know to answer.

The file holds named types and arrays. Only types on a list of ours are loaded, whatever skops
itself would trust.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep import descriptors
from mineralsweep.data.decode import Pixels
from mineralsweep.serving import trust
from mineralsweep.serving.ensemble import CLASSES_FILE

ESTIMATOR_FILE = "estimator.skops"
SETTINGS_FILE = "estimator.json"


@dataclass(frozen=True)
class TextureClassifier:
    """A fitted estimator with all that it needs from image to answer.

    Attributes:
        estimator: fitted on the numbers of `features`; its classes are positions in `classes`.
        classes: names, in the order of the answer's columns.
        image_size: (height, width) in pixels.
        features: one of `descriptors.SETS`.
    """

    estimator: Any
    classes: tuple[str, ...]
    image_size: tuple[int, int]
    features: str

    def predict(self, images: Pixels) -> NDArray[np.float32]:
        """Answer uint8 (n, height, width, 3) in [0, 255] with float32 (n, classes).

        May be called from several threads at once.
        """
        return self.answer(self.prepare(images))

    @property
    def prepared_as(self) -> str:
        """Name what `prepare` makes: the set of numbers."""
        return self.features

    def prepare(self, images: Pixels) -> NDArray[np.float32]:
        """Return the numbers of n images that this model is fitted on, float32 (n, columns)."""
        return descriptors.features(images, self.features)

    def answer(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer what `prepare` gave with float32 (n, classes)."""
        found = np.zeros((len(numbers), len(self.classes)), np.float32)
        if len(numbers):
            found[:, self.estimator.classes_] = self.estimator.predict_proba(numbers)
        return found


def save(model: TextureClassifier, folder: Path) -> None:
    """Write a classifier into `folder`, made if need be."""
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    skops.io.dump(
        model.estimator, folder / ESTIMATOR_FILE, compression=zipfile.ZIP_DEFLATED, compresslevel=6
    )
    settings = {
        "image_size": list(model.image_size),
        "features": model.features,
        "features_version": descriptors.VERSION,
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
    (folder / CLASSES_FILE).write_text(
        json.dumps(list(model.classes), ensure_ascii=False), encoding="utf-8"
    )


def load(folder: Path) -> TextureClassifier:
    """Read what `save` wrote; nothing in the files is executed.

    Raises:
        UntrustedModel: the file names a type that is not on the list, is too large, or holds
            trees that lead nowhere.
        OSError, ValueError: the folder lacks a file, one is damaged, or its numbers are those of
            another version.
    """
    settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    version = settings["features_version"]
    if version != descriptors.VERSION:
        raise ValueError(
            f"{folder}: made with version {version} of the colour and texture numbers, this is"
            f" version {descriptors.VERSION}; train it again"
        )
    height, width = settings["image_size"]
    return TextureClassifier(
        trust.load(folder / ESTIMATOR_FILE, descriptors.count(settings["features"])),
        tuple(json.loads((folder / CLASSES_FILE).read_text(encoding="utf-8"))),
        (int(height), int(width)),
        str(settings["features"]),
    )
