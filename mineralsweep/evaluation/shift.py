"""Are the answers to two sets of images alike? Tests of two samples, corrected for their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mineralsweep.evaluation.scores import CONFIDENCE, Estimate

PERMUTATIONS = 9_999
"""Of the chi-square test: the smallest p is 0.0001."""


@dataclass(frozen=True)
class Shift:
    """One number of the answers, compared between new images and others.

    Attributes:
        name: what is compared.
        test: the test's name.
        p: two-sided, in [0, 1].
        corrected: p by Holm's method, for all that were compared together.
    """

    name: str
    test: str
    p: float
    corrected: float

    @property
    def significant(self) -> bool:
        return self.corrected < 1 - CONFIDENCE


class Mean(Estimate):
    """The mean of n numbers, with its interval by Student's t."""


def mean(numbers: NDArray[np.float64]) -> Mean:
    """Return a mean with its interval.

    Raises:
        ValueError: there are fewer than 2 numbers.
    """
    from scipy.stats import t

    if len(numbers) < 2:
        raise ValueError(f"a mean's interval needs 2 numbers, got {len(numbers)}")
    error = float(numbers.std(ddof=1)) / len(numbers) ** 0.5
    half = float(t.ppf(0.5 + CONFIDENCE / 2, len(numbers) - 1)) * error
    value = float(numbers.mean())
    return Mean(value, value - half, value + half, len(numbers))


def of_shares(name: str, new: NDArray[np.bool_], others: NDArray[np.bool_]) -> Shift:
    """Compare two shares by Fisher's exact test."""
    from scipy.stats import fisher_exact

    table = [[int(one.sum()), int((~one).sum())] for one in (new, others)]
    p = float(fisher_exact(table).pvalue)
    return Shift(name, "Fisher's exact", p, p)


def of_numbers(name: str, new: NDArray[np.float64], others: NDArray[np.float64]) -> Shift:
    """Compare two distributions by the two-sample test of Kolmogorov and Smirnov."""
    from scipy.stats import ks_2samp

    p = float(ks_2samp(new, others, method="asymp").pvalue)
    return Shift(name, "Kolmogorov-Smirnov", p, p)


def of_labels(name: str, new: Sequence[str], others: Sequence[str], seed: int = 0) -> Shift:
    """Compare how often each label is given: chi-square, its p by permutation.

    So it holds for classes of which there are few images too, where the chi-square distribution
    does not. The same labels give the same p.
    """
    counts = Counter(new), Counter(others)
    names = sorted(counts[0] | counts[1])
    table = np.array([[one[key] for key in names] for one in counts])
    totals = table.sum(axis=0)
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(
        totals, len(new), PERMUTATIONS, method="marginals"
    )
    expected = totals * len(new) / totals.sum()
    # The chi-square is a constant times this: of two rows with fixed totals one tells both.
    reached, by_chance = (((rows - expected) ** 2 / totals).sum(-1) for rows in (table[0], drawn))
    p = float((1 + (by_chance >= reached - 1e-9).sum()) / (1 + PERMUTATIONS))
    return Shift(name, "chi-square, permuted", p, p)


def holm(shifts: Sequence[Shift]) -> tuple[Shift, ...]:
    """Correct for looking at several (Holm 1979, Scand. J. Statist. 6:65); the order stays."""
    order = sorted(range(len(shifts)), key=lambda place: shifts[place].p)
    corrected, largest = list(shifts), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, shifts[place].p * (len(shifts) - rank)))
        corrected[place] = replace(shifts[place], corrected=largest)
    return tuple(corrected)
