"""The paired test and interval, against published worked examples and by what they must obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from mineralsweep.core import objective as objectives
from mineralsweep.evaluation import Paired, compare
from mineralsweep.evaluation.paired import (
    _score,
    difference_interval,
    fewest_discordant,
    images_needed,
    mcnemar,
    permuted_p,
)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "low", "high"),
    [
        # Tango 1998, section 6.2: two treatments of sleeping difficulties.
        (9, 3, 32, -0.027, 0.390),
        # Fagerland, Lydersen & Laake 2014, Statistics in Medicine 33:2850: airway
        # hyper-responsiveness before and after a transplantation.
        (1, 7, 21, -0.517, -0.026),
    ],
)
def test_the_interval_is_that_of_published_examples(
    gained: int, lost: int, n: int, low: float, high: float
) -> None:
    assert difference_interval(gained, lost, n) == pytest.approx((low, high), abs=5e-4)


def test_mcnemar_is_that_of_a_published_example() -> None:
    assert mcnemar(1, 7) == pytest.approx(0.070, abs=5e-4)  # Fagerland, Lydersen & Laake 2014


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (5, 0, 2 / 2**5), (6, 0, 2 / 2**6), (4, 4, 1.0), (3, 1, 2 * 5 / 16)],
)
def test_mcnemar_counts_tosses_of_a_coin(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p)
    assert mcnemar(lost, gained) == pytest.approx(p)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_the_interval_holds_the_difference_and_turns_with_it(
    gained: int, lost: int, others: int
) -> None:
    n = gained + lost + others
    if n == 0:
        return
    low, high = difference_interval(gained, lost, n)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert low < high
    assert difference_interval(lost, gained, n) == pytest.approx((-high, -low), abs=1e-9)
    wide = difference_interval(gained, lost, n, 0.99)
    assert wide[0] <= low
    assert high <= wide[1]


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_an_end_is_where_the_score_test_just_rejects(gained: int, lost: int, others: int) -> None:
    n = gained + lost + others
    z = norm.ppf(0.975)
    for end, sign in zip(difference_interval(gained, lost, n), (1, -1), strict=True):
        assert _by_brute_force(gained, lost, n, end) == pytest.approx(sign * z, abs=1e-3)
        assert _score(gained, lost, n, end) == pytest.approx(sign * z, abs=1e-6)


def _by_brute_force(gained: int, lost: int, n: int, difference: float) -> float:
    """Tango's statistic with the likelihood maximised numerically, not by his formula."""

    def unlikely(q: float) -> float:
        won, tied = q + difference, 1 - 2 * q - difference
        if min(q, won, tied) <= 0:
            return 1e9
        return -(gained * np.log(won) + lost * np.log(q) + (n - gained - lost) * np.log(tied))

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    q = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return float(
        (gained - lost - n * difference) / np.sqrt(n * (2 * q + difference - difference**2))
    )


def test_two_models_are_compared_image_by_image() -> None:
    champion = [True] * 5 + [False] * 3 + [True] * 2
    challenger = [True] * 5 + [True] * 3 + [False] * 2
    paired = compare(champion, challenger)
    assert (paired.n, paired.both, paired.gained, paired.lost) == (10, 5, 3, 2)
    assert paired.difference == pytest.approx(0.1)
    assert paired.p == 1.0
    assert "right alone on 3 images, wrong alone on 2, n = 10" in str(paired)
    assert Paired.from_dict(paired.to_dict()) == paired


@pytest.mark.parametrize(("first", "second"), [([True], [True, False]), ([], [])])
def test_answers_of_other_images_are_refused(first: list[bool], second: list[bool]) -> None:
    with pytest.raises(ValueError, match="one answer for each of the same images"):
        compare(first, second)


@pytest.mark.parametrize(("gained", "lost", "n"), [(3, 3, 5), (-1, 0, 5), (0, 0, 0)])
def test_counts_that_fit_no_n_are_refused(gained: int, lost: int, n: int) -> None:
    with pytest.raises(ValueError, match="don't fit n"):
        difference_interval(gained, lost, n)


def test_so_many_images_would_show_the_difference() -> None:
    paired = compare([True] * 40 + [False] * 20 + [True] * 10, [True] * 60 + [False] * 10)
    needed = images_needed(paired)
    assert needed is not None
    discordant, images = needed
    # With that many, at these shares, the test finds it in about 80 % of repetitions.
    wins = np.random.default_rng(0).binomial(discordant, 20 / 30, 2000)
    found = np.mean([mcnemar(int(k), discordant - int(k)) <= 0.05 for k in wins])
    assert 0.7 < found < 0.9
    assert images == pytest.approx(discordant * 70 / 30, abs=1)
    assert images_needed(compare([True], [False])) is None


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 0.001])
def test_the_fewest_discordant_images_just_reach_alpha(alpha: float) -> None:
    fewest = fewest_discordant(alpha)
    assert mcnemar(fewest, 0) <= alpha < mcnemar(fewest - 1, 0)


def test_the_permutation_test_of_accuracy_is_near_mcnemar() -> None:
    labels = np.zeros(60, int)
    before, after = np.tile([0.9, 0.1], (60, 1)), np.tile([0.9, 0.1], (60, 1))
    before[:9] = after[9:11] = [0.1, 0.9]  # 9 gained, 2 lost

    def accuracy(answers: NDArray[np.float64]) -> float:
        return float((answers.argmax(axis=1) == labels).mean())

    p = permuted_p(accuracy, before, after)
    assert p == pytest.approx(mcnemar(9, 2), abs=0.015)
    assert permuted_p(accuracy, before, after) == p
    assert permuted_p(accuracy, before, before) == 1.0


@pytest.mark.parametrize("name", ["loss", "macro_f1", "balanced_accuracy", "min_recall"])
def test_each_objective_compares_models_by_itself(name: str) -> None:
    labels = [0] * 28 + [1] * 12
    good = np.array([[0.9, 0.1]] * 28 + [[0.2, 0.8]] * 12)
    poor = np.array([[0.9, 0.1]] * 40)  # never finds the small class
    objective = objectives.get(name)
    shown = objective.compare(labels, poor, good)
    assert shown.ahead
    assert shown.p < 0.01
    assert shown.n == 40
    behind = objective.compare(labels, good, poor)
    assert not behind.ahead
    assert behind.difference == pytest.approx(-shown.difference)
    same = objective.compare(labels, good, good)
    assert (same.ahead, same.p) == (False, 1.0)


def test_accuracy_is_compared_by_mcnemar() -> None:
    answers = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = objectives.get("accuracy").compare([0, 1], answers[::-1], answers)
    assert isinstance(found, Paired)
    assert (found.gained, found.lost) == (2, 0)
