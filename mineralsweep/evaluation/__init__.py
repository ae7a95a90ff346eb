"""Scores with their uncertainty, and whether one model is better than another."""

from mineralsweep.evaluation.paired import Paired, compare
from mineralsweep.evaluation.scores import CONFIDENCE, Proportion, Scores, score, wilson

__all__ = ["CONFIDENCE", "Paired", "Proportion", "Scores", "compare", "score", "wilson"]
