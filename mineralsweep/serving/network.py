"""A trained model in a folder, and a network's own: a .keras file (no pickle) and its classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.recipe import AXES, Flips
from mineralsweep.data.decode import Pixels
from mineralsweep.serving import compiled, ensemble, estimator, own_code, probe
from mineralsweep.serving.ensemble import CLASSES_FILE, Classifier
from mineralsweep.silence import stderr_silenced

if TYPE_CHECKING:
    import keras

NETWORK_FILE = "network.keras"
FLIPS_FILE = "flips.json"
BATCH = 32


def within(folder: Path) -> Path | None:
    """Return the trained model's own folder within a logged model's files; None: it has none."""
    found = sorted(folder.rglob(CLASSES_FILE), key=lambda path: len(path.parts))
    return found[0].parent if found else None


def find(folder: Path) -> Path:
    """Return what `within` does.

    Raises:
        OSError: there is none.
    """
    found = within(folder)
    if found is None:
        raise OSError(f"{folder}: holds no trained model")
    return found


def save(
    model: keras.Model,
    classes: Sequence[str],
    folder: Path,
    flips: Flips = "none",
    source: Path | None = None,
) -> None:
    """Write an uncompiled network and its class names into `folder`, made if need be.

    Args:
        model: the network.
        classes: in the order of its answers.
        folder: its own.
        flips: the views of an image that it answers together; see `core.recipe.Recipe`.
        source: the user's file, where the network is the user's own. It is kept if the network
            holds layers of it, and then runs whenever the network is loaded.

    Raises:
        ArchitectureError: the network holds code that can't be saved; see `own_code.check`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own_code.keep(model, source, folder)
    model.save(folder / NETWORK_FILE)
    (folder / CLASSES_FILE).write_text(
        json.dumps(list(classes), ensure_ascii=False), encoding="utf-8"
    )
    if flips != "none":
        (folder / FLIPS_FILE).write_text(json.dumps(flips), encoding="utf-8")


def over_flips(
    answer: Callable[[Any], NDArray[np.float32]], images: Any, flips: Flips
) -> NDArray[np.float32]:
    """Return the mean of the answers to an image and its mirror images.

    Args:
        answer: takes images (n, height, width, 3), returns float32 (n, classes).
        images: (n, height, width, 3); with `flips` "none" of any shape.
        flips: which views; see `core.recipe.Recipe`.
    """
    if flips == "none":
        return answer(images)
    answers = [answer(np.flip(images, axes)) for axes in AXES[flips]]
    mean: NDArray[np.float32] = np.mean(answers, axis=0, dtype=np.float32)
    return mean


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
        return over_flips(self._predict_plain, images, self.flips)

    def _predict_plain(self, images: Pixels) -> NDArray[np.float32]:
        found = [
            np.asarray(self.model(images[start : start + BATCH], training=False))
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *found])


def combine(folders: Sequence[Path], classes: Sequence[str], target: Path) -> None:
    """Make one model of several, whose probes share a backbone; see `ensemble.combine`."""
    ensemble.combine(folders, classes, target)
    probe.share_backbones(target)


def load(folder: Path) -> Classifier:
    """Read a trained model of any kind.

    What lies in the folder tells the kind: several models that answer together, an estimator, or
    a network. Nothing in the files is executed, but for the user's own file beside a network with
    layers of the user's; Keras' safe mode is on.

    Raises:
        UntrustedModel: it holds what no model of this package does.
        ArchitectureError: the user's own file can't be imported.
        OSError, ValueError: the folder lacks a file, or one is damaged.
    """
    if ensemble.is_ensemble(folder):
        return ensemble.load(folder, load)
    if compiled.is_compiled(folder):
        return compiled.load(folder)
    if (folder / estimator.ESTIMATOR_FILE).is_file():
        return estimator.load(folder)
    if probe.is_probe(folder):
        return probe.load(folder)
    with stderr_silenced():
        import keras

        model = keras.saving.load_model(
            folder / NETWORK_FILE,
            custom_objects=own_code.load(folder),
            compile=False,
            safe_mode=True,
        )
    classes = tuple(json.loads((folder / CLASSES_FILE).read_text(encoding="utf-8")))
    return Network(model, classes, _flips(folder / FLIPS_FILE))


def _flips(path: Path) -> Flips:
    """Read the setting beside a network; there is no file for "none"."""
    if not path.exists():
        return "none"
    flips: Flips = json.loads(path.read_text(encoding="utf-8"))
    if flips not in AXES:
        raise ValueError(f"{path}: must be one of {', '.join(AXES)}, got {flips!r}")
    return flips
