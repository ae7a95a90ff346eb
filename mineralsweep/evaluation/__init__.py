"""Scores with their uncertainty, and whether one model is better than another."""

from mineralsweep.evaluation.folds import FoldMean, fold_mean
from mineralsweep.evaluation.paired import Paired, compare
from mineralsweep.evaluation.scores import CONFIDENCE, Proportion, Scores, score, wilson

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
