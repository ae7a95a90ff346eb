"""How a trial ended, as the line of the leaderboard that the engine is told."""

from __future__ import annotations

import statistics

from mineralsweep.config import Sweep
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import State, TrialRecord
from mineralsweep.core.trial import TrialResult, TrialSpec
from mineralsweep.evaluation import Scores, score
from mineralsweep.executors import Failed
from mineralsweep.training.folds import over_folds

TIME_IS_UP = "the sweep's time is up"


def of_result(sweep: Sweep, spec: TrialSpec, params: Params, result: TrialResult) -> TrialRecord:
    """Return the record of a trial that was trained."""
    scores = score(result.probabilities, spec.labels_of(result), spec.examples.classes)
    reason = result.stop_reason or ""
    # A trial that the clock ended was not found wanting: it may still be the best. One that
    # lacks folds, or a part of one, can't be compared with those that have them all.
    cut = result.pruned and (bool(result.folds) or reason != TIME_IS_UP)
    state: State = "PRUNED" if cut else "COMPLETE"
    accuracy, loss = _compared(result, scores)
    mean = over_folds(spec, result)
    by_fold = {fold.fold: fold.accuracy for fold in result.folds}
    return TrialRecord(
        number=spec.number,
        state=state,
        params=params,
        value=accuracy if sweep.objective == "accuracy" else loss,
        accuracy=accuracy,
        loss=loss,
        n=scores.accuracy.n,
        best_epoch=result.best_epoch,
        run_id="",
        model_id=None,
        reason=reason,
        seconds=result.seconds,
        spread=None if mean is None else mean.spread,
        folds=sweep.folds,
        fold_accuracies=tuple(by_fold.get(i) for i in range(1, len(spec.examples.folds) + 1)),
    )


def _compared(result: TrialResult, scores: Scores) -> tuple[float, float]:
    """Return the accuracy and the loss that trials are compared by: with folds, their means."""
    if not result.folds:
        return scores.accuracy.value, scores.loss
    return (
        statistics.fmean(fold.accuracy for fold in result.folds),
        statistics.fmean(fold.loss for fold in result.folds),
    )


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
