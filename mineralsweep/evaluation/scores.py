"""The accuracy, loss, F1, recalls and confusion of predictions, each share with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Proportion:
    """A share of n cases in [0, 1], with its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n}"


@dataclass(frozen=True)
class Scores:
    """How well probabilities fit labels.

    `confusion` counts images: int (classes, classes), rows true, columns predicted. `loss` is
    the mean cross-entropy in nats.
    """

    accuracy: Proportion
    loss: float
    macro_f1: float
    recall: dict[str, Proportion]
    confusion: NDArray[np.int64]

    def never_found(self) -> list[str]:
        """Return the classes of which not one image was recognised."""
        return [name for name, recall in self.recall.items() if recall.value == 0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {**asdict(self), "confusion": self.confusion.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        return cls(
            accuracy=Proportion(**data["accuracy"]),
            loss=data["loss"],
            macro_f1=data["macro_f1"],
            recall={name: Proportion(**recall) for name, recall in data["recall"].items()},
            confusion=np.asarray(data["confusion"], dtype=np.int64),
        )


def wilson(successes: int, n: int) -> Proportion:
    """Return successes / n with its Wilson score interval (Wilson 1927, JASA 22:209).

    Raises:
        ValueError: n is below 1, or successes are not in [0, n].
    """
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return Proportion(successes / n, float(interval.low), float(interval.high), n)


def score(
    probabilities: NDArray[np.float32], labels: Sequence[int], classes: Sequence[str]
) -> Scores:
    """Compare predictions with the truth.

    Args:
        probabilities: float (n, classes), rows that add up to 1.
        labels: n positions in `classes`.
        classes: names, in the order of the columns.
    """
    from sklearn.metrics import confusion_matrix, f1_score

    truth = np.asarray(labels, dtype=np.int64)
    predicted = probabilities.argmax(axis=1)
    every = list(range(len(classes)))
    confusion = confusion_matrix(truth, predicted, labels=every).astype(np.int64)
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return Scores(
        accuracy=wilson(int((predicted == truth).sum()), len(truth)),
        loss=float(-np.log(np.clip(of_truth, 1e-7, 1.0)).mean()),
        macro_f1=float(f1_score(truth, predicted, labels=every, average="macro", zero_division=0)),
        recall={
            name: wilson(int(confusion[i, i]), int(confusion[i].sum()))
            for i, name in enumerate(classes)
            if confusion[i].sum()
        },
        confusion=confusion,
    )
