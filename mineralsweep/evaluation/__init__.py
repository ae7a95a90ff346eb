"""Scores with their uncertainty, and whether one model is better than another."""

from mineralsweep.evaluation.paired import Paired, compare
from mineralsweep.evaluation.scores import (
    CONFIDENCE,
    FoldMean,
    Proportion,
    Scores,
    fold_mean,
    score,
    wilson,
)

__all__ = [
    "CONFIDENCE",
    "FoldMean",
    "Paired",
    "Proportion",
    "Scores",
    "compare",
    "fold_mean",
    "score",
    "wilson",
]
