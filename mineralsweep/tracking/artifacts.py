"""What a trained trial leaves behind, as files: figures, the table of its answers, its model.

Made from the outbox alone, without a tracking store, so that another process can do it.
"""

from __future__ import annotations

import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import Model

from mineralsweep.core import objective as objectives
from mineralsweep.core.trial import TrialResult
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import FoldMean, Scores, score
from mineralsweep.serving import pyfunc
from mineralsweep.tracking import figures
from mineralsweep.tracking.outbox import End

PREDICTIONS = "validation_predictions.json"
"""A row an image that the trial was validated on: its answer, by a model that had not seen it."""


@dataclass(frozen=True)
class Validated:
    """The images that a trial was validated on, each with its class, group, file and SHA-256."""

    classes: tuple[str, ...]
    labels: tuple[int, ...]
    groups: tuple[int, ...]
    files: tuple[str, ...]
    digests: tuple[str, ...]
    bits: int

    @classmethod
    def of(cls, dataset: Dataset, rows: tuple[int, ...]) -> Validated:
        """Return what these rows of a data set are."""
        labels = dataset.labels()
        return cls(
            tuple(dataset.classes),
            tuple(int(labels[row]) for row in rows),
            tuple(dataset.groups[row] for row in rows),
            tuple(dataset.files(rows)),
            tuple(dataset.catalog.images[row].digest for row in rows),
            dataset.catalog.bits,
        )


@dataclass(frozen=True)
class Artifacts:
    """Files of one trial, and what is said of it.

    Attributes:
        files: a folder whose files belong to the trial's run.
        model: the folder of its model, as MLflow's pyfunc.
        metrics: the run's summary.
        accuracy: the validation accuracy in words, with its interval.
    """

    files: Path
    model: Path
    metrics: dict[str, float]
    accuracy: str


def make(end: End, validated: Validated, architecture: str, folder: Path) -> Artifacts:
    """Make a trained trial's artifacts in a folder, over what may be there.

    Args:
        end: of an attempt that was trained: it has a result.
        validated: what `end.result.probabilities` answers for, in their order.
        architecture: goes into the model's metadata.
        folder: becomes the artifacts'.
    """
    result, predicted = end.result, end.predicted
    assert result is not None
    assert predicted is not None
    scores = score(result.probabilities, validated.labels, validated.classes, validated.groups)
    shutil.rmtree(folder, ignore_errors=True)
    made = folder / "files"
    made.mkdir(parents=True)
    _draw(result, scores, validated.classes, made)
    table = _table(result, predicted.folds, validated)
    (made / PREDICTIONS).write_text(table, encoding="utf-8")
    described = Model(metadata={"architecture": architecture})
    pyfunc.save(result.folder, folder / "model", described, validated.bits)
    mean = predicted.over_folds(result)
    metrics = _summary(result, scores, mean)
    return Artifacts(made, folder / "model", metrics, str(mean or scores.accuracy))


def _draw(result: TrialResult, scores: Scores, classes: tuple[str, ...], folder: Path) -> None:
    history = result.history
    if result.folds:
        curves = figures.fold_curves(
            {
                "loss": [[r.val_loss for r in fold.history] for fold in result.folds],
                "accuracy": [[r.val_accuracy for r in fold.history] for fold in result.folds],
            },
            [fold.best_epoch for fold in result.folds],
        )
        validated = f"out of fold, n = {scores.accuracy.n}"
    else:
        curves = figures.learning_curves(
            {
                "loss": [r.train_loss for r in history],
                "accuracy": [r.train_accuracy for r in history],
            },
            {"loss": [r.val_loss for r in history], "accuracy": [r.val_accuracy for r in history]},
            result.best_epoch,
        )
        validated = "validation split"
    curves.savefig(folder / "learning_curves.png")
    matrix = figures.confusion_matrix(scores.confusion, classes, validated)
    matrix.savefig(folder / "confusion_matrix.png")


def _table(result: TrialResult, folds: tuple[int, ...], validated: Validated) -> str:
    """Return the table of answers as MLflow's table view reads it."""
    classes, probabilities = validated.classes, result.probabilities
    best = probabilities.argmax(axis=1)
    table: dict[str, Any] = {
        "file": validated.files,
        "digest": validated.digests,
        "label": [classes[label] for label in validated.labels],
        "predicted": [classes[i] for i in best],
        "correct": [bool(one == i) for one, i in zip(validated.labels, best, strict=True)],
        "confidence": probabilities.max(axis=1).astype(float).round(4).tolist(),
    }
    for i, name in enumerate(classes):
        table[f"p_{name}"] = probabilities[:, i].astype(float).round(6).tolist()
    if folds:
        table["fold"] = folds
    return str(pd.DataFrame(table).to_json(orient="split", index=False))


def _summary(result: TrialResult, scores: Scores, over_folds: FoldMean | None) -> dict[str, float]:
    accuracy = over_folds or scores.accuracy
    of_folds = {}
    if over_folds is not None:
        of_folds = {"best_val_accuracy_spread": over_folds.spread, "folds_trained": over_folds.fits}
    of_classes = objectives.metrics_of(scores.confusion)
    losses = [fold.loss for fold in result.folds] or [scores.loss]
    return {
        "best_epoch": result.best_epoch,
        "best_val_accuracy": accuracy.value,
        "best_val_loss": statistics.fmean(losses),
        "best_val_accuracy_low": accuracy.low,
        "best_val_accuracy_high": accuracy.high,
        **of_folds,
        **{f"best_{name}": value for name, value in of_classes.items()},
        "training_seconds": result.seconds,
        **result.sizes(),
    }
