"""Two models on the same images: is one better, by how much, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mineralsweep.evaluation.scores import CONFIDENCE

POWER = 0.8
SWAPS = 2_000
"""Of a permutation test: p is then known to about 0.01 at 0.05."""


@dataclass(frozen=True)
class Paired:
    """A challenger beside a champion on the same n images.

    Only the images on which one of them is right and the other wrong (the discordant ones) can
    tell them apart.

    Attributes:
        n: images.
        both: images on which both are right.
        gained: images on which the challenger alone is right.
        lost: images on which the champion alone is right.
        p: of the exact McNemar test, two-sided, in [0, 1].
        low: lower end of the 95 % interval of `difference` (Tango's score interval).
        high: its upper end.
    """

    n: int
    both: int
    gained: int
    lost: int
    p: float
    low: float
    high: float

    test: ClassVar[str] = "McNemar"

    @property
    def ahead(self) -> bool:
        """Whether the challenger has the better value."""
        return self.difference > 0

    @property
    def difference(self) -> float:
        """The challenger's accuracy less the champion's, in [-1, 1]."""
        return (self.gained - self.lost) / self.n

    def __str__(self) -> str:
        return (
            f"accuracy difference {self.difference:+.3f} [{self.low:+.3f}, {self.high:+.3f}],"
            f" right alone on {self.gained} images, wrong alone on {self.lost}, n = {self.n},"
            f" exact McNemar p = {self.p:.3g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold; `difference` is for readers."""
        return {
            "n": self.n, "both": self.both, "gained": self.gained, "lost": self.lost,
            "p": self.p, "difference": self.difference, "low": self.low, "high": self.high,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        return cls(**{name: value for name, value in data.items() if name != "difference"})


def compare(
    champion: Sequence[bool] | NDArray[np.bool_], challenger: Sequence[bool] | NDArray[np.bool_]
) -> Paired:
    """Compare which images two models got right.

    Args:
        champion: n times right or wrong.
        challenger: the same of the same images in the same order.

    Raises:
        ValueError: the lengths differ, or there is no image.
    """
    before, after = np.asarray(champion, dtype=bool), np.asarray(challenger, dtype=bool)
    if before.shape != after.shape or before.ndim != 1 or not len(before):
        raise ValueError(
            f"both must hold one answer for each of the same images, got {before.shape} and"
            f" {after.shape}"
        )
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    low, high = difference_interval(gained, lost, len(before))
    both = int((before & after).sum())
    return Paired(len(before), both, gained, lost, mcnemar(gained, lost), low, high)


@dataclass(frozen=True)
class Permuted:
    """A challenger beside a champion on the same n images, by another number than accuracy.

    Attributes:
        name: of the number.
        difference: the challenger's value less the champion's.
        ahead: whether the challenger has the better value.
        p: of the paired permutation test, two-sided, in (0, 1].
        n: images.
    """

    name: str
    difference: float
    ahead: bool
    p: float
    n: int

    test: ClassVar[str] = "paired permutation"

    def __str__(self) -> str:
        return (
            f"{self.name} difference {self.difference:+.3f}, n = {self.n}, paired permutation test"
            f" p = {self.p:.3g}"
        )


def permuted_p(
    value: Callable[[NDArray[np.float64]], float],
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
    swaps: int = SWAPS,
) -> float:
    """Return the two-sided p of the paired permutation test (Fisher 1935).

    Were both models equally good, it would not matter whose answer is whose: p is the share of
    random swaps of their answers, image by image, that part them at least as far as they are. The
    same answers give the same p.

    Args:
        value: of one model's answers, float (n, classes).
        champion: its answers.
        challenger: the other one's, for the same images in the same order.
        swaps: how many are drawn.
    """
    random = np.random.default_rng(0)
    apart = abs(value(challenger) - value(champion)) - 1e-12
    as_far = 0
    for _ in range(swaps):
        swap = random.random(len(champion))[:, None] < 0.5
        one, other = np.where(swap, challenger, champion), np.where(swap, champion, challenger)
        as_far += abs(value(one) - value(other)) >= apart
    return (1 + as_far) / (1 + swaps)


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p of the exact McNemar test (McNemar 1947, Psychometrika 12:153).

    Were both models equally good, each discordant image would be won by either like the toss of
    a coin. p is the chance that so many tosses fall at least as unevenly as these.

    Raises:
        ValueError: a count is negative.
    """
    from scipy.stats import binomtest

    if min(gained, lost) < 0:
        raise ValueError(f"counts must be at least 0, got {gained} and {lost}")
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5).pvalue)


def difference_interval(
    gained: int, lost: int, n: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the score interval of (gained - lost) / n (Tango 1998, Statistics in Medicine 17:891).

    It holds every difference that a score test at 1 - `confidence` does not reject. It stays
    within [-1, 1] and has a width even where no image is discordant.

    Raises:
        ValueError: the counts don't fit n, or `confidence` is not in (0, 1).
    """
    from scipy.stats import norm

    if min(gained, lost) < 0 or n < max(1, gained + lost):
        raise ValueError(f"{gained} gained and {lost} lost don't fit n = {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    z = float(norm.ppf((1 + confidence) / 2))
    at = (gained - lost) / n
    return _end(gained, lost, n, z, at, -1.0), _end(gained, lost, n, -z, at, 1.0)


def _end(gained: int, lost: int, n: int, z: float, inside: float, limit: float) -> float:
    """Return the difference between `inside` and `limit` whose test statistic is z."""
    from scipy.optimize import brentq

    def excess(difference: float) -> float:
        return _score(gained, lost, n, difference) - z

    if inside == limit:
        return limit
    within = limit * (1 - 1e-12)  # at the limit itself the variance is 0
    if excess(within) * excess(inside) > 0:
        return limit
    return float(brentq(excess, within, inside, xtol=1e-12))


def _score(gained: int, lost: int, n: int, difference: float) -> float:
    """Tango's statistic for a true difference: standard normal in large samples.

    The chance that an image is lost is unknown; it is put at its most likely value under this
    difference, the larger root of 2n q^2 + b q + c.
    """
    b = -gained - lost + (2 * n - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * q + difference * (1 - difference))
    distance = gained - lost - n * difference
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def images_needed(paired: Paired, alpha: float = 1 - CONFIDENCE) -> tuple[int, int] | None:
    """Return how many discordant images, and images in all, would show a difference like this.

    With so many, McNemar's test would find it at `alpha` in 80 % of repetitions, if the true
    shares are those seen here (Miettinen 1968, Biometrics 24:339). None: the challenger is not
    ahead.
    """
    from scipy.stats import norm

    if paired.gained <= paired.lost:
        return None
    discordant = paired.gained + paired.lost
    won = paired.gained / discordant
    spread = 2 * math.sqrt(won * (1 - won))
    needed = ((norm.ppf(1 - alpha / 2) + norm.ppf(POWER) * spread) / (2 * won - 1)) ** 2
    whole = max(math.ceil(needed), fewest_discordant(alpha))
    return whole, math.ceil(whole * paired.n / discordant)


def fewest_discordant(alpha: float) -> int:
    """Return the fewest discordant images that reach `alpha`, all won by one model: 6 for 0.05."""
    return max(1, math.ceil(1 - math.log2(alpha)))
