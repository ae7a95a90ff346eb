"""Calibration: is a model that says 80 % right in 80 of 100 cases?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep.evaluation.scores import Proportion, wilson

BINS = 10
DRAWS = 2000
AT_ONCE = 2_000_000
"""Numbers drawn at once, about: bounds the memory."""


@dataclass(frozen=True)
class Bin:
    """The images whose confidence lies in (low, high].

    `confidence` is their mean confidence, `accuracy` the share that was right, with its n.
    """

    low: float
    high: float
    confidence: float
    accuracy: Proportion


@dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy lie apart.

    Attributes:
        error: the expected calibration error, in [0, 1].
        low: lower end of its 95 % bootstrap interval.
        high: upper end of it.
        chance: the error that a perfectly calibrated model with the same confidences stays below
            in 95 of 100 draws of as many images. An error below it shows nothing.
        n: images.
        bins: those that are not empty, in order.
    """

    error: float
    low: float
    high: float
    chance: float
    n: int
    bins: tuple[Bin, ...]

    def __str__(self) -> str:
        return f"{self.error:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n}"


def calibration(
    probabilities: NDArray[np.floating], labels: Sequence[int], bins: int = BINS, seed: int = 0
) -> Calibration:
    """Return the expected calibration error, with its interval, and the curve behind it.

    The mean over all images of |accuracy - confidence| of their bin, over bins of equal width:
    Guo, Pleiss, Sun & Weinberger 2017, arXiv:1706.04599, equation 3. The interval is the
    bootstrap's (images drawn with replacement, 2.5 to 97.5 per cent). The error of few images is
    too large on average, and so are its resamples': compare it with `chance` (Bröcker & Smith
    2007, doi:10.1175/WAF993.1, give the idea).

    Args:
        probabilities: float (n, classes), rows that add up to 1.
        labels: n columns of `probabilities`.
        bins: of equal width in [0, 1].
        seed: of the draws; the same gives the same interval.

    Raises:
        ValueError: there are no images.
    """
    if not len(labels):
        raise ValueError("no images to measure calibration on")
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == np.asarray(labels)).astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    random = np.random.default_rng(seed)
    resampled, by_chance = [], []
    for draws in _blocks(len(right)):
        drawn = random.integers(len(right), size=(draws, len(right)))
        resampled += _errors(confidence[drawn], right[drawn], place[drawn], bins).tolist()
    for draws in _blocks(len(right)):
        perfect = (random.random((draws, len(right))) < confidence).astype(np.float64)
        whole = np.broadcast_to(confidence, perfect.shape), np.broadcast_to(place, perfect.shape)
        by_chance += _errors(whole[0], perfect, whole[1], bins).tolist()
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Calibration(
        error=float(_errors(confidence[None], right[None], place[None], bins)[0]),
        low=float(low),
        high=float(high),
        chance=float(np.quantile(by_chance, 0.95)),
        n=len(right),
        bins=tuple(_bin(i, bins, confidence, right, place) for i in np.unique(place)),
    )


def _blocks(n: int) -> list[int]:
    """Return numbers of draws of n images that add up to DRAWS, few enough for the memory."""
    most = max(1, AT_ONCE // n)
    return [min(most, DRAWS - start) for start in range(0, DRAWS, most)]


def _errors(
    confidence: NDArray[np.float64],
    right: NDArray[np.float64],
    place: NDArray[np.int64],
    bins: int,
) -> NDArray[np.float64]:
    """Return one error a row of (draws, n): sum over bins of |sum of (right - confidence)| / n."""
    draws, n = place.shape
    cell = place + bins * np.arange(draws)[:, None]
    gaps = np.bincount(cell.ravel(), (right - confidence).ravel(), minlength=draws * bins)
    result: NDArray[np.float64] = np.abs(gaps).reshape(draws, bins).sum(axis=1) / n
    return result


def _bin(
    i: int,
    bins: int,
    confidence: NDArray[np.float64],
    right: NDArray[np.float64],
    place: NDArray[np.int64],
) -> Bin:
    inside = place == i
    return Bin(
        low=float(i / bins),
        high=float((i + 1) / bins),
        confidence=float(confidence[inside].mean()),
        accuracy=wilson(int(right[inside].sum()), int(inside.sum())),
    )
