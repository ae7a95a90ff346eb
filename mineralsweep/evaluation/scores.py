"""Scores of predictions with their intervals: on one set of images, and over folds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
FEW_GROUPS = 12
"""Of fewer, the variance over groups is too uncertain: intervals would be too narrow."""


@dataclass(frozen=True)
class Estimate:
    """A number estimated from n cases, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n}"


class Proportion(Estimate):
    """A share of n cases in [0, 1], with its Wilson interval."""


@dataclass(frozen=True)
class Scores:
    """How well probabilities fit labels.

    `confusion` counts images: int (classes, classes), rows true, columns predicted. `loss` is
    the mean cross-entropy in nats. `independent`: see `independent_share`.
    """

    accuracy: Proportion
    loss: float
    macro_f1: float
    recall: dict[str, Proportion]
    confusion: NDArray[np.int64]
    independent: float = 1.0

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
            independent=data.get("independent", 1.0),
        )


def wilson(successes: int, n: int, independent: float = 1.0) -> Proportion:
    """Return successes / n with its Wilson score interval (Wilson 1927, JASA 22:209).

    Args:
        successes: of n.
        n: cases.
        independent: the share of them that count as independent, in (0, 1].

    Raises:
        ValueError: n is below 1, or successes are not in [0, n].
    """
    from scipy.stats import binomtest, norm

    if independent >= 1:
        interval = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
        return Proportion(successes / n, float(interval.low), float(interval.high), n)
    value, cases = successes / n, n * independent
    square = float(norm.ppf(0.5 + CONFIDENCE / 2)) ** 2
    centre = value + square / (2 * cases)
    half = math.sqrt(square * (value * (1 - value) / cases + square / (4 * cases**2)))
    low, high = ((centre + end) / (1 + square / cases) for end in (-half, half))
    return Proportion(value, max(0.0, low), min(1.0, high), n)


def independent_share(right: NDArray[np.bool_], groups: Any) -> float:
    """Return the share of n images that count as independent where some belong together.

    Photographs of one specimen are right or wrong together: the variance of their mean is that of
    fewer images. The share is 1 over the design effect (Kish 1965, Survey Sampling), of the groups
    as clusters. Of fewer than `FEW_GROUPS`, and where all are right or all wrong, that effect can't
    be told: each group counts as one image then, and less where they differ in size.

    Args:
        right: bool (n,).
        groups: n numbers, equal for images that belong together.

    Returns:
        In (0, 1]; 1 where each image is alone.
    """
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(place)
    if len(sizes) == len(right):
        return 1.0
    value = float(right.mean())
    if value in (0.0, 1.0) or len(sizes) < FEW_GROUPS:
        return len(right) / float((sizes**2).sum())
    off = np.bincount(place, right) - value * sizes
    of_groups = len(sizes) / (len(sizes) - 1) * float((off**2).sum()) / len(right) ** 2
    return min(1.0, value * (1 - value) / len(right) / of_groups) if of_groups else 1.0


def score(
    probabilities: NDArray[np.float32],
    labels: Sequence[int],
    classes: Sequence[str],
    groups: Sequence[int] | None = None,
) -> Scores:
    """Compare predictions with the truth.

    Args:
        probabilities: float (n, classes), rows that add up to 1.
        labels: n positions in `classes`.
        classes: names, in the order of the columns.
        groups: n numbers, equal for images that belong together; None: each is independent. They
            widen the intervals.
    """
    from sklearn.metrics import confusion_matrix, f1_score

    truth = np.asarray(labels, dtype=np.int64)
    predicted = probabilities.argmax(axis=1)
    every = list(range(len(classes)))
    confusion = confusion_matrix(truth, predicted, labels=every).astype(np.int64)
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    right, together = (
        predicted == truth,
        np.asarray(range(len(truth)) if groups is None else groups),
    )

    def share(where: NDArray[np.bool_]) -> float:
        return independent_share(right[where], together[where])

    independent = share(np.ones(len(truth), bool))
    return Scores(
        accuracy=wilson(int(right.sum()), len(truth), independent),
        loss=float(-np.log(np.clip(of_truth, 1e-7, 1.0)).mean()),
        macro_f1=float(f1_score(truth, predicted, labels=every, average="macro", zero_division=0)),
        recall={
            name: wilson(int(confusion[i, i]), int(confusion[i].sum()), share(truth == i))
            for i, name in enumerate(classes)
            if confusion[i].sum()
        },
        confusion=confusion,
        independent=independent,
    )


@dataclass(frozen=True)
class FoldMean:
    """The mean of a share in [0, 1] over folds.

    Attributes:
        value: the mean.
        spread: the standard deviation over folds (n - 1 in the denominator); 0 for one fold.
        low, high: the corrected 95 % interval of the mean; see `fold_mean`.
        folds: that the images are divided into.
        fits: values that the mean is of: folds times repeats, fewer where a trial was cut short.
        n: images that were predicted.
    """

    value: float
    spread: float
    low: float
    high: float
    folds: int
    fits: int
    n: int

    def __str__(self) -> str:
        return (
            f"{self.value:.3f} ± {self.spread:.3f} over {self.over()}"
            f" [{self.low:.3f}, {self.high:.3f}], n = {self.n}"
        )

    def over(self) -> str:
        """Say what the mean is over, such as "5 folds" or "5 folds x 3"."""
        return over(self.folds, self.fits)


def over(folds: int, fits: int) -> str:
    """Say how often models were fitted: "5 folds", "5 folds x 3", "7 fits of 5 folds"."""
    repeats, rest = divmod(fits, folds)
    if rest:
        return f"{fits} fits of {folds} folds"
    return f"{folds} folds" + (f" x {repeats}" if repeats > 1 else "")


def fold_mean(values: Sequence[float], folds: int, n: int, ratio: float | None = None) -> FoldMean:
    """Return the mean of a share over folds, with its corrected interval.

    The trainings of two folds share most of their images, so their scores are not independent:
    the plain s / sqrt(fits) is too small, and more repeats would shrink it towards nothing. Nadeau
    & Bengio (2003, Machine Learning 52:239) replace 1 / fits by 1 / fits + validation / training
    images, 1 / (folds - 1) where all others are trained on; Bouckaert & Frank (2004, PAKDD) found
    it right for repeated folds.
    The interval is that of a t distribution with fits - 1 degrees of freedom, cut at 0, and at 1
    unless a value is above 1: then it is no share but a loss.

    Args:
        values: one a fold that ended, all repeats' together.
        folds: that the images were divided into, at least 2.
        n: images that were predicted.
        ratio: images of a fit that are predicted, over those it is trained on; None: all but the
            fold's are.

    Raises:
        ValueError: there is no value, or fewer than 2 folds.
    """
    if not values or folds < 2:
        raise ValueError(f"needs values of at least 2 folds, got {len(values)} of {folds}")
    mean, most = statistics.fmean(values), 1.0 if max(values) <= 1 else math.inf
    if len(values) == 1:  # one value says nothing of its own spread
        return FoldMean(mean, 0.0, 0.0, most, folds, 1, n)
    spread = statistics.stdev(values)
    half = corrected_half_width(spread, len(values), ratio or 1 / (folds - 1))
    low, high = max(0.0, mean - half), min(most, mean + half)
    return FoldMean(mean, spread, low, high, folds, len(values), n)


def corrected_half_width(spread: float, fits: int, ratio: float) -> float:
    """Return half the width of the corrected 95 % interval of a mean over fits.

    Args:
        spread: standard deviation over the fits.
        fits: at least 2.
        ratio: images of a fit that are predicted, over those it is trained on.
    """
    from scipy.stats import t

    quantile = float(t.ppf(0.5 + CONFIDENCE / 2, fits - 1))
    return quantile * spread * math.sqrt(1 / fits + ratio)
