"""Validation images by class, counted while a network is validated."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from mineralsweep.core.objective import Confusion


class CountedAccuracy(keras.metrics.Metric):  # type: ignore[misc]
    """Keras' accuracy, to the bit, that keeps what it counts: the images of each pair of classes.

    Args:
        classes: how many there are.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(name="accuracy", dtype="float32")
        self._classes = classes
        self._counts = self.add_variable((classes, classes), "zeros", name="counts")

    def update_state(self, labels: Any, probabilities: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            labels: class numbers (n,) or (n, 1), or a share for each class (n, classes).
            probabilities: float (n, classes).
            sample_weight: not used.
        """
        if len(labels.shape) == 2 and labels.shape[1] == self._classes:
            labels = ops.argmax(labels, axis=1)
        true = ops.one_hot(ops.reshape(labels, (-1,)), self._classes, dtype="float32")
        predicted = ops.one_hot(ops.argmax(probabilities, axis=1), self._classes, dtype="float32")
        # Whole numbers below 2 ** 24, which float32 adds up exactly, in any order.
        self._counts.assign_add(ops.matmul(ops.transpose(true), predicted))

    def result(self) -> Any:
        """Return the share of images on the diagonal."""
        return ops.divide_no_nan(ops.trace(self._counts), ops.sum(self._counts))

    def confusion(self) -> Confusion:
        """Return what was counted since the last reset: int64 (classes, classes)."""
        return np.asarray(self._counts).astype(np.int64)
