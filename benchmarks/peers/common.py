"""What every peer script needs: the same images, the same networks, a trace of its epochs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from mineralsweep.models import get

STARTED = time.monotonic()


class Task:
    """The workload's file: images, labels, space, trials, epochs."""

    train_labels: Any
    validation_labels: Any

    def __init__(self, path: str) -> None:
        for name, value in json.loads(Path(path).read_text()).items():
            setattr(self, name, value)
        pixels = np.load(self.arrays)  # decoded once, as a careful script does
        self.train_images = pixels[self.train]
        self.validation_images = pixels[self.validation]
        self.train_labels = np.asarray(self.train_labels)
        self.validation_labels = np.asarray(self.validation_labels)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def build(self, settings: dict[str, Any]) -> keras.Model:
        """Return the compiled network of one trial."""
        own = {k: v for k, v in settings.items() if k not in ("architecture", "learning_rate")}
        if self.architecture == "vgg16":
            own["weights"] = self.weights
        model = get(self.architecture).build((*self.image_size, 3), len(self.classes), **own)
        model.compile(
            optimizer=keras.optimizers.RMSprop(settings["learning_rate"]),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model


class Trace(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Notes when each epoch ended, and what it reached."""

    rows: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, trial: int, settings: dict[str, Any]) -> None:
        super().__init__()
        self._trial, self._settings = trial, settings

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.rows.append(
            {
                "trial": self._trial,
                "epoch": epoch + 1,
                "seconds": time.monotonic() - STARTED,
                "epoch_seconds": time.monotonic() - self._began,
                "val_accuracy": float(logs["val_accuracy"]),
                "unfrozen": self._settings.get("unfrozen", 0),
            }
        )


def finish(ready: float, trial_seconds: list[float]) -> None:
    """Write the peer's file: the trace, and what a trial costs beside its epochs."""
    Path(sys.argv[2]).write_text(
        json.dumps(
            {
                "start_seconds": ready - STARTED,
                "total_seconds": time.monotonic() - STARTED,
                "trial_seconds": trial_seconds,
                "trace": Trace.rows,
            }
        )
    )
