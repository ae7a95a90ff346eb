"""One trial's run: its parameters, one step an epoch, its figures, its model."""

from __future__ import annotations

import statistics
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from mineralsweep import figures
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import FoldMean, Scores
from mineralsweep.packaging import pyfunc
from mineralsweep.tracking.store import Store, without_mlflow_warnings
from mineralsweep.training.folds import over_folds
from mineralsweep.training.spec import EpochReport, FoldResult, TrialResult, TrialSpec

SYSTEM_METRICS_SECONDS = 2
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAILED": "FAILED"}
STATE = "mineralsweep.state"
TRIAL = "mineralsweep.trial"
STUDY = "mineralsweep.study"
REASON = "mineralsweep.reason"
MODEL = "mineralsweep.model_id"
SHOWN_A_FOLD = ("val_accuracy", "val_loss", "train_loss")
"""Metrics that are written for every epoch of every fold."""


class TrialRun:
    """A RUNNING run that is filled as its trial goes on, and ended once.

    Args:
        store: where it is.
        run_id: of a run that exists.
        spec: the trial.
        dataset: what it is trained on.
    """

    def __init__(self, store: Store, run_id: str, spec: TrialSpec, dataset: Dataset) -> None:
        self.run_id = run_id
        self._store = store
        self._spec = spec
        self._dataset = dataset
        store.log_params(run_id, spec.params())
        store.log_dataset(run_id, dataset, context="training and validation")
        self._monitor = SystemMetricsMonitor(
            run_id, sampling_interval=SYSTEM_METRICS_SECONDS, tracking_uri=store.uri
        )
        self._monitor.start()

    def epoch(self, report: EpochReport, fold: int | None = None) -> None:
        """Write one epoch's metrics, with the epoch (from 1) as the step; a fold's under its name.

        MLflow shows metrics with a common start, up to the slash, as one group.
        """
        metrics = report.metrics()
        if fold is not None:
            metrics = {f"{name}/fold_{fold}": metrics[name] for name in SHOWN_A_FOLD}
        self._store.log(self.run_id, metrics=metrics, step=report.epoch)

    def fold_ended(self, fold: FoldResult) -> None:
        """Write a fold's scores, with the fold (from 1) as the step."""
        metrics = {"fold_val_accuracy": fold.accuracy, "fold_val_loss": fold.loss}
        self._store.log(self.run_id, metrics=metrics, step=fold.fold)

    def finish(self, result: TrialResult, scores: Scores, state: str, reason: str) -> str:
        """Write what a trained trial leaves behind, end the run, and return the model's id.

        Args:
            result: of the training.
            scores: of the kept weights on the validation split.
            state: COMPLETE or PRUNED.
            reason: why training ended before its last epoch, "" if it did not.
        """
        self._monitor.finish()
        if result.folds:  # each fold's epochs were written as they came, under its name
            for report in result.history:
                self.epoch(report)
        # At step 0, from where MLflow copies a run's metrics to the model logged next.
        self._store.log(
            self.run_id,
            metrics=_summary(result, scores, over_folds(self._spec, result)),
            step=0,
            params={"precision": result.precision},
        )
        self._log_figures(result, scores)
        self._log_predictions(result)
        model_id = self._log_model(result)
        self._store.log(self.run_id, tags={MODEL: model_id})
        self._end(state, reason, str(over_folds(self._spec, result) or scores.accuracy))
        return model_id

    def fail(self, reason: str, log: str = "") -> None:
        """End the run as FAILED, with the reason and what the worker printed last."""
        self._monitor.finish()
        if log:
            self._store.client.log_text(self.run_id, log, "worker.log")
        self._end("FAILED", reason, "")

    def _end(self, state: str, reason: str, accuracy: str) -> None:
        tags = {STATE: state}
        note = f"Validation accuracy {accuracy}." if accuracy else ""
        if reason:
            tags[REASON] = reason[:5000]
            note = f"{note} {state}: {reason}".strip()
        tags["mlflow.note.content"] = note
        self._store.log(self.run_id, tags=tags)
        self._store.end(self.run_id, STATUS[state])

    def _log_figures(self, result: TrialResult, scores: Scores) -> None:
        history = result.history
        curves = figures.learning_curves(
            {
                "loss": [r.train_loss for r in history],
                "accuracy": [r.train_accuracy for r in history],
            },
            {"loss": [r.val_loss for r in history], "accuracy": [r.val_accuracy for r in history]},
            result.best_epoch,
        )
        validated = "validation split"
        if result.folds:
            curves = figures.fold_curves(
                {
                    "loss": [[r.val_loss for r in fold.history] for fold in result.folds],
                    "accuracy": [[r.val_accuracy for r in fold.history] for fold in result.folds],
                },
                [fold.best_epoch for fold in result.folds],
            )
            validated = f"out of fold, n = {scores.accuracy.n}"
        matrix = figures.confusion_matrix(scores.confusion, self._dataset.classes, validated)
        self._store.client.log_figure(self.run_id, curves, "learning_curves.png")
        self._store.client.log_figure(self.run_id, matrix, "confusion_matrix.png")

    def _log_predictions(self, result: TrialResult) -> None:
        classes, labels = self._dataset.classes, self._dataset.labels()
        seen = self._spec.examples.validation
        rows = seen if result.rows is None else [seen[position] for position in result.rows]
        best = result.probabilities.argmax(axis=1)
        table: dict[str, Any] = {
            "file": self._dataset.files(rows),
            "label": [classes[labels[row]] for row in rows],
            "predicted": [classes[i] for i in best],
            "correct": [bool(labels[row] == i) for row, i in zip(rows, best, strict=True)],
            "confidence": result.probabilities.max(axis=1).astype(float).round(4).tolist(),
        }
        for i, name in enumerate(classes):
            table[f"p_{name}"] = result.probabilities[:, i].astype(float).round(4).tolist()
        examples = self._spec.examples
        if len(examples.folds) > 1 and len(examples.folds) == examples.folds_a_repeat():
            table["fold"] = [examples.fold_of(row) for row in rows]
        self._store.log_table(self.run_id, pd.DataFrame(table), "validation_predictions.json")

    def _log_model(self, result: TrialResult) -> str:
        with without_mlflow_warnings():
            info = Model.log(
                artifact_path=None,
                name="model",
                flavor=mlflow.pyfunc,
                run_id=self.run_id,
                metadata={"architecture": self._spec.architecture},
                **pyfunc.flavor_arguments(result.folder),
            )
        return str(info.model_id)


def _summary(result: TrialResult, scores: Scores, over_folds: FoldMean | None) -> dict[str, float]:
    accuracy = over_folds or scores.accuracy
    of_folds = {}
    if over_folds is not None:
        of_folds = {"best_val_accuracy_spread": over_folds.spread, "folds_trained": over_folds.fits}
    losses = [fold.loss for fold in result.folds] or [scores.loss]
    return {
        "best_epoch": result.best_epoch,
        "best_val_accuracy": accuracy.value,
        "best_val_loss": statistics.fmean(losses),
        "best_val_accuracy_low": accuracy.low,
        "best_val_accuracy_high": accuracy.high,
        **of_folds,
        "best_val_macro_f1": scores.macro_f1,
        "training_seconds": result.seconds,
        **result.sizes(),
    }
