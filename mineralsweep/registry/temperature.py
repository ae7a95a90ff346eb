"""The temperature that makes a model's probabilities mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mineralsweep.serving import confidence


def fit(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the temperature with the least cross-entropy on held-out images.

    The truth counts as (n + 1) / (n + 2), as Platt 1999 has it: a few images that are all right
    are no reason to be certain. Where none is wrong, it is at least 1.

    Args:
        probabilities: (n, classes).
        labels: n columns.
    """
    from scipy.optimize import minimize_scalar

    count, classes = probabilities.shape
    truth = np.full((count, classes), 1 / (count + 2) / max(classes - 1, 1))
    truth[np.arange(count), labels] = (count + 1) / (count + 2)

    def loss(logarithm: float) -> float:
        answers = confidence.with_temperature(probabilities, float(np.exp(logarithm)))
        return float(-(truth * np.log(np.maximum(answers, 1e-12))).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=np.log(confidence.TEMPERATURES), method="bounded")
    all_right = (probabilities.argmax(axis=1) == labels).all()
    return max(1.0, float(np.exp(found.x))) if all_right else float(np.exp(found.x))
