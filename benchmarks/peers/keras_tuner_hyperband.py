"""KerasTuner's Hyperband over the same space, as its guide writes it; without MLflow.

`python -m benchmarks.peers.keras_tuner_hyperband TASK.json OUT.json`: one process, float32. Its
number of trials follows from `epochs` (Hyperband's largest budget), not from `trials`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import keras_tuner

from benchmarks.peers.common import Task, Trace, finish


def choose(hp: keras_tuner.HyperParameters, name: str, entry: Any) -> Any:
    """Ask KerasTuner for one setting of a sweep file's space."""
    if isinstance(entry, list):
        return hp.Choice(name, entry)
    if isinstance(entry, dict):
        scale = "log" if entry.get("log") else "linear"
        return hp.Float(name, entry["low"], entry["high"], step=entry.get("step"), sampling=scale)
    return entry


def main() -> None:
    """Search, and write the trace."""
    task = Task(sys.argv[1])
    keras.utils.set_random_seed(task.seed)
    took: list[float] = []

    class Tuner(keras_tuner.Hyperband):  # type: ignore[misc]  # KerasTuner has no types
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            if len(took) == task.trials:
                raise _EnoughError
            began = time.monotonic()
            trace = Trace(len(took), trial.hyperparameters.values)
            result = super().run_trial(trial, *args, callbacks=[trace], **kwargs)
            took.append(time.monotonic() - began)
            return result

    space = keras_tuner.HyperParameters()
    for name, entry in task.space.items():
        choose(space, name, entry)

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        return task.build({name: choose(hp, name, entry) for name, entry in task.space.items()})

    with tempfile.TemporaryDirectory() as scratch:
        tuner = Tuner(
            build, hyperparameters=space, objective="val_accuracy", max_epochs=task.epochs,
            seed=task.seed, directory=scratch, project_name="peer",
        )  # fmt: skip
        ready = time.monotonic()
        with contextlib.suppress(_EnoughError):
            tuner.search(
                task.train_images,
                task.train_labels,
                batch_size=32,
                validation_data=(task.validation_images, task.validation_labels),
                verbose=0,
            )
    finish(ready, took)


class _EnoughError(keras_tuner.errors.FatalError):  # type: ignore[misc]  # no types
    """As many trials as were asked for."""


if __name__ == "__main__":
    main()
