"""The script that people write, as the guides of Optuna, MLflow and Keras put it together.

`python -m benchmarks.peers.plain_optuna TASK.json OUT.json`: one process, float32, the whole
network in every step, no pruning, a nested run and a logged model a trial.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import mlflow
import optuna

from benchmarks.peers.common import Task, Trace, finish


class ToMlflow(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Log every epoch to the active run."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        mlflow.log_metrics(logs, step=epoch)


def suggest(trial: optuna.Trial, name: str, entry: Any) -> Any:
    """Ask Optuna for one setting of a sweep file's space."""
    if isinstance(entry, list):
        return trial.suggest_categorical(name, entry)
    if isinstance(entry, dict):
        return trial.suggest_float(
            name, entry["low"], entry["high"], log=entry.get("log", False), step=entry.get("step")
        )
    return entry


def main() -> None:
    """Search, and write the trace."""
    task = Task(sys.argv[1])
    keras.utils.set_random_seed(task.seed)
    took: list[float] = []

    def objective(trial: optuna.Trial) -> float:
        began = time.monotonic()
        keras.utils.clear_session()
        settings = {name: suggest(trial, name, entry) for name, entry in task.space.items()}
        with mlflow.start_run(nested=True):
            mlflow.log_params(settings)
            model = task.build(settings)
            history = model.fit(
                task.train_images,
                task.train_labels,
                batch_size=32,
                epochs=task.epochs,
                validation_data=(task.validation_images, task.validation_labels),
                callbacks=[ToMlflow(), Trace(trial.number, settings)],
                verbose=0,
            )
            mlflow.keras.log_model(model, name="model")
        took.append(time.monotonic() - began)
        return float(max(history.history["val_accuracy"]))

    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
        mlflow.set_experiment("plain")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=task.seed)
        )
        for point in task.points:
            study.enqueue_trial(point)
        ready = time.monotonic()
        with mlflow.start_run(run_name="study"):
            study.optimize(objective, n_trials=task.trials)
            mlflow.log_metric("best", study.best_value)
        os.chdir("/")
    finish(ready, took)


if __name__ == "__main__":
    main()
