"""The results of a trial's folds -> the trial's result."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.trial import (
    Counts,
    EpochReport,
    FoldResult,
    TrialResult,
    TrialSpec,
    counts_of,
)
from mineralsweep.evaluation import score
from mineralsweep.serving import ensemble

FOLDS = "folds"
"""Of a trial's folder: takes a folder a fold, until their networks are made one model."""


def fold_result(spec: TrialSpec, index: int, result: TrialResult) -> FoldResult:
    """Score one fold's training on the fold's validation images.

    Args:
        spec: of the trial.
        index: of the fold, from 0.
        result: of the training.
    """
    examples = spec.examples.of_fold(spec.examples.folds[index])
    scores = score(result.probabilities, examples.validation_labels, examples.classes)
    return FoldResult(
        fold=index + 1,
        accuracy=scores.accuracy.value,
        loss=scores.loss,
        n=scores.accuracy.n,
        history=result.history,
        best_epoch=result.best_epoch,
        seconds=result.seconds,
        confusion=counts_of(scores.confusion),
    )


def put_together(
    spec: TrialSpec, results: Mapping[int, TrialResult], stop_reason: str | None
) -> TrialResult:
    """Make one result of the folds that ended, and one model of their networks.

    Args:
        spec: of the trial.
        results: fold (from 0) -> its training's result; at least one.
        stop_reason: why not every fold was trained; None: all were.
    """
    indices = sorted(results)
    ended = [results[index] for index in indices]
    rows, probabilities = _out_of_fold(spec, results)
    ensemble.combine([one.folder for one in ended], spec.examples.classes, spec.folder)
    shutil.rmtree(spec.folder / FOLDS, ignore_errors=True)
    whole = len(rows) == len(spec.examples.validation)
    return TrialResult(
        history=mean_history([one.history for one in ended]),
        best_epoch=round(statistics.median(one.best_epoch for one in ended)),
        probabilities=probabilities,
        stop_reason=stop_reason or _reasons(ended),
        pruned=stop_reason is not None or any(one.pruned for one in ended),
        parameters=_sum(one.parameters for one in ended),
        trainable=_sum(one.trainable for one in ended),
        flops=_sum(one.flops for one in ended),
        precision=ended[0].precision,
        folder=spec.folder,
        seconds=sum(one.seconds for one in ended),
        folds=tuple(fold_result(spec, index, results[index]) for index in indices),
        rows=None if whole else rows,
    )


def _sum(values: Iterable[int | None]) -> int | None:
    """Return the sum; None where there is none, as of an estimator's parameters."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def mean_history(histories: Sequence[Sequence[EpochReport]]) -> tuple[EpochReport, ...]:
    """Return the mean of each epoch over folds, as far as all of them went.

    Confusions add up: each image of the pool is counted once a repeat.
    """
    return tuple(_mean_report(reports) for reports in zip(*histories, strict=False))


def _mean_report(reports: Sequence[EpochReport]) -> EpochReport:
    def mean(name: str) -> float:
        return statistics.fmean(getattr(one, name) for one in reports)

    rates = [one.learning_rate for one in reports if one.learning_rate is not None]
    return EpochReport(
        epoch=reports[0].epoch,
        train_loss=mean("train_loss"),
        train_accuracy=mean("train_accuracy"),
        val_loss=mean("val_loss"),
        val_accuracy=mean("val_accuracy"),
        learning_rate=statistics.fmean(rates) if rates else None,
        seconds=mean("seconds"),
        val_confusion=_added([one.val_confusion for one in reports]),
    )


def _added(confusions: Sequence[Counts]) -> Counts:
    """Return the sum; empty where one was not counted."""
    return counts_of(np.sum(confusions, axis=0)) if all(confusions) else ()


def _out_of_fold(
    spec: TrialSpec, results: Mapping[int, TrialResult]
) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Return the pool's positions that were predicted, and their mean probabilities."""
    examples = spec.examples
    place = {row: position for position, row in enumerate(examples.validation)}
    total = np.zeros((len(place), len(examples.classes)))
    times = np.zeros(len(place), np.int64)
    for index, result in sorted(results.items()):
        positions = [place[row] for row in examples.folds[index].validation]
        total[positions] += result.probabilities
        times[positions] += 1
    seen = np.flatnonzero(times)
    mean = (total[seen] / times[seen, None]).astype(np.float32)
    return tuple(map(int, seen)), mean


def _reasons(results: Sequence[TrialResult]) -> str | None:
    """Say why folds ended before their last epoch, None where none did."""
    reasons = dict.fromkeys(one.stop_reason for one in results if one.stop_reason)
    return "; ".join(reasons) or None
