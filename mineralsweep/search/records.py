"""How a trial ended, as the record that the engine is told."""

from __future__ import annotations

import statistics

from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import State, TrialRecord
from mineralsweep.core.trial import TrialResult, TrialSpec
from mineralsweep.evaluation import fold_mean, score
from mineralsweep.executors import Failed

TIME_IS_UP = "the sweep's time is up"


def of_result(
    objective: str, spec: TrialSpec, params: Params, result: TrialResult, folds: int = 1
) -> TrialRecord:
    """Return the record of a trial that was trained.

    Args:
        objective: what trials are compared by.
        spec: what was trained.
        params: what the engine proposed.
        result: of the training.
        folds: that the images are divided into; 1: none.
    """
    labels = spec.labels_of(result)
    groups = spec.groups_of(result)
    scores = score(result.probabilities, labels, spec.examples.classes, groups)
    reason = result.stop_reason or ""
    # A trial that the clock ended was not found wanting: it may still be the best. One that
    # lacks folds, or a part of one, can't be compared with those that have them all.
    cut = result.pruned and (bool(result.folds) or reason != TIME_IS_UP)
    state: State = "PRUNED" if cut else "COMPLETE"
    measures = {**_measures(result, scores.confusion, scores.loss), **result.costs}
    interval = objectives.get(objective).interval(scores.confusion, scores.loss, scores.independent)
    return TrialRecord(
        number=spec.number,
        state=state,
        params=params,
        value=measures[objective],
        accuracy=measures["accuracy"],
        loss=measures["loss"],
        n=len(labels),
        best_epoch=result.best_epoch,
        run_id="",
        model_id=None,
        reason=reason,
        seconds=result.seconds,
        spread=_spread(result, folds),
        folds=folds,
        fold_accuracies=_by_fold("accuracy", spec, result),
        fold_values=_by_fold(objective, spec, result),
        low=None if result.folds or interval is None else interval.low,
        high=None if result.folds or interval is None else interval.high,
        independent=scores.independent,
        measures=measures,
    )


def _measures(
    result: TrialResult, confusion: objectives.Confusion, loss: float
) -> dict[str, float]:
    """Return the value of every objective; with folds, the mean over those that ended."""
    if not result.folds:
        return {name: one.of(confusion, loss) for name, one in objectives.OBJECTIVES.items()}
    return {
        name: statistics.fmean(fold.value(name) for fold in result.folds)
        for name in objectives.OBJECTIVES
    }


def _by_fold(objective: str, spec: TrialSpec, result: TrialResult) -> tuple[float | None, ...]:
    values = {fold.fold: fold.value(objective) for fold in result.folds}
    return tuple(values.get(i) for i in range(1, len(spec.examples.folds) + 1))


def _spread(result: TrialResult, folds: int) -> float | None:
    if not result.folds:
        return None
    return fold_mean([fold.accuracy for fold in result.folds], folds, 1).spread


def of_failure(spec: TrialSpec, params: Params, event: Failed, seconds: float) -> TrialRecord:
    """Return the record of a trial that failed, which has no score."""
    return TrialRecord(
        number=spec.number,
        state="FAILED",
        params=params,
        value=None,
        accuracy=None,
        loss=None,
        n=len(spec.examples.validation),
        best_epoch=None,
        run_id="",
        model_id=None,
        reason=event.reason,
        seconds=seconds,
    )
