"""A trained model in a folder, and a network's own: a .keras file (no pickle) and its classes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.recipe import Flips
from mineralsweep.data.decode import Pixels
from mineralsweep.serving import ensemble, estimator
from mineralsweep.serving import flips as views
from mineralsweep.serving.ensemble import CLASSES_FILE, Classifier

if TYPE_CHECKING:
    import keras

NETWORK_FILE = "network.keras"
BATCH = 32


def find(folder: Path) -> Path:
    """Return the trained model's own folder within a logged model's files.

    Raises:
        OSError: there is none.
    """
    found = sorted(folder.rglob(CLASSES_FILE), key=lambda path: len(path.parts))
    if not found:
        raise OSError(f"{folder}: holds no trained model")
    return found[0].parent


def save(model: keras.Model, classes: Sequence[str], folder: Path, flips: Flips = "none") -> None:
    """Write an uncompiled network and its class names into `folder`, made if need be.

    Args:
        model: the network.
        classes: in the order of its answers.
        folder: its own.
        flips: the views of an image that it answers together; see `models.recipe.Recipe`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / NETWORK_FILE)
    (folder / CLASSES_FILE).write_text(json.dumps(list(classes), ensure_ascii=False))
    views.save(flips, folder)


@dataclass(frozen=True)
class Network:
    """A loaded network. `image_size` is (height, width) in pixels; `flips` as in `save`."""

    model: Any
    classes: tuple[str, ...]
    flips: Flips = "none"

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = self.model.input_shape[1:3]
        return int(height), int(width)

    def predict(self, images: Pixels) -> NDArray[np.float32]:
        """Answer uint8 (n, height, width, 3) in [0, 255] with float32 (n, classes).

        May be called from several threads at once.
        """
        return views.averaged(self._predict_plain, images, self.flips)

    def _predict_plain(self, images: Pixels) -> NDArray[np.float32]:
        found = [
            np.asarray(self.model(images[start : start + BATCH], training=False))
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *found])


@contextlib.contextmanager
def _tensorflow_silenced() -> Iterator[None]:
    """TensorFlow's C++ side greets on stderr while it loads, whatever its log level says."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def load(folder: Path) -> Classifier:
    """Read a trained model of any kind; nothing in its files is executed.

    What lies in the folder tells the kind: several models that answer together, an estimator, or
    a network, for which Keras' safe mode is on.

    Raises:
        UntrustedModel: it holds what no model of this package does.
        OSError, ValueError: the folder lacks a file, or one is damaged.
    """
    if ensemble.is_ensemble(folder):
        return ensemble.load(folder, load)
    if (folder / estimator.ESTIMATOR_FILE).is_file():
        return estimator.load(folder)
    with _tensorflow_silenced():
        import keras

        model = keras.saving.load_model(folder / NETWORK_FILE, compile=False, safe_mode=True)
    classes = tuple(json.loads((folder / CLASSES_FILE).read_text()))
    return Network(model, classes, views.load(folder))
