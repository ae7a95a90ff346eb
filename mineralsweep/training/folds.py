"""What a trial's result says over its folds."""

from __future__ import annotations

from dataclasses import dataclass

from mineralsweep.core.trial import TrialResult, TrialSpec
from mineralsweep.evaluation import FoldMean, fold_mean


@dataclass(frozen=True)
class Predicted:
    """Which images a trial's probabilities answer for, in their order.

    Attributes:
        rows: of the data set.
        folds: the fold (from 1) that validated each; empty without folds, and with repeats.
        folds_a_repeat: how many folds the images are divided into, 0 without folds.
    """

    rows: tuple[int, ...]
    folds: tuple[int, ...] = ()
    folds_a_repeat: int = 0

    def over_folds(self, result: TrialResult) -> FoldMean | None:
        """Return the mean accuracy over the folds that ended; None for a trial without folds."""
        if not result.folds:
            return None
        accuracies = [fold.accuracy for fold in result.folds]
        return fold_mean(accuracies, self.folds_a_repeat, len(self.rows))


def predicted(spec: TrialSpec, result: TrialResult) -> Predicted:
    """Return which images a trial's result answers for."""
    examples = spec.examples
    seen = examples.validation
    rows = seen if result.rows is None else tuple(seen[position] for position in result.rows)
    count = examples.folds_a_repeat()
    once = len(examples.folds) > 1 and len(examples.folds) == count
    return Predicted(rows, tuple(map(examples.fold_of, rows)) if once else (), count)
