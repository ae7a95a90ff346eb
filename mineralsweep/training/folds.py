"""What a trial's result says over its folds."""

from __future__ import annotations

from mineralsweep.evaluation import FoldMean, fold_mean
from mineralsweep.training.spec import TrialResult, TrialSpec


def over_folds(spec: TrialSpec, result: TrialResult) -> FoldMean | None:
    """Return the mean accuracy over the folds that ended; None for a trial without folds."""
    if not result.folds:
        return None
    predicted = len(spec.labels_of(result))
    accuracies = [fold.accuracy for fold in result.folds]
    return fold_mean(accuracies, spec.examples.folds_a_repeat(), predicted)
