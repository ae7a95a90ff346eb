"""Scores and their intervals, against values worked out by hand or published."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.core import objective as objectives
from mineralsweep.evaluation import Scores, score, wilson
from mineralsweep.evaluation.scores import independent_share


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statistics in Medicine 17:857, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_the_published_table(
    successes: int, n: int, low: float, high: float
) -> None:
    interval = wilson(successes, n)
    assert interval.value == successes / n
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_a_proportion_shows_its_interval_and_n() -> None:
    assert str(wilson(1, 29)) == "0.034 [0.006, 0.172], n = 29"


def test_scores_of_a_small_table() -> None:
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]], np.float32
    )
    found = score(probabilities, [0, 1, 1, 2], ["a", "b", "c"])
    assert found.accuracy.value == 0.75
    assert found.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert found.loss == pytest.approx(-np.log([0.7, 0.8, 0.3, 0.6]).mean(), abs=1e-6)
    assert found.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert found.recall["b"].value == 0.5
    assert found.recall["b"].n == 2


def test_a_class_without_images_has_no_recall() -> None:
    found = score(np.array([[0.9, 0.1]], np.float32), [0], ["a", "b"])
    assert set(found.recall) == {"a"}


def test_a_sure_mistake_costs_a_finite_loss() -> None:
    assert np.isfinite(score(np.array([[1.0, 0.0]], np.float32), [1], ["a", "b"]).loss)


def test_images_that_belong_together_count_for_fewer() -> None:
    right = np.array([True] * 30 + [False] * 30)
    alone, pairs = list(range(60)), [row // 2 for row in range(60)]
    assert independent_share(right, alone) == 1.0
    assert independent_share(right, pairs) == pytest.approx(0.5, abs=0.03)
    mixed = np.array([True, False] * 30)
    assert independent_share(mixed, pairs) == 1.0  # a group says no more than its images do
    assert independent_share(np.ones(60, bool), pairs) == 0.5
    assert independent_share(right, [0] * 60) == pytest.approx(1 / 60)
    six = np.repeat(range(6), 10)  # few: the images within them seem to be independent, by chance
    assert independent_share(mixed, six) == pytest.approx(0.1)
    assert independent_share(mixed, [0] * 30 + [*range(1, 6)] * 6) == pytest.approx(60 / 1080)


@pytest.mark.parametrize(("groups", "size"), [(3, 10), (6, 6), (15, 6), (30, 6)])
def test_the_intervals_of_groups_hold_the_truth_as_often_as_they_say(
    groups: int, size: int
) -> None:
    rng, truth, held = np.random.default_rng(0), 0.8, 0
    together = np.repeat(np.arange(groups), size)
    for _ in range(500):
        right = rng.random((groups, size)) < rng.beta(4 * truth, 4 * (1 - truth), (groups, 1))
        found = wilson(int(right.sum()), right.size, independent_share(right.ravel(), together))
        held += found.low <= truth <= found.high
    assert held / 500 > 0.9  # of few groups, nearly always


def test_groups_widen_the_intervals_and_change_no_score() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 2, 12), 6)
    guesses = np.repeat(rng.integers(0, 2, 12), 6)
    answers = np.eye(2, dtype=np.float32)[guesses]
    groups = np.repeat(np.arange(12), 6)
    plain = score(answers, labels.tolist(), ("ash", "beech"))
    grouped = score(answers, labels.tolist(), ("ash", "beech"), groups.tolist())
    assert grouped.accuracy.value == plain.accuracy.value
    assert grouped.accuracy.n == 72
    by_stone = score(answers[::6], labels[::6].tolist(), ("ash", "beech"))
    assert grouped.accuracy.low == pytest.approx(by_stone.accuracy.low, abs=0.02)
    assert grouped.accuracy.high == pytest.approx(by_stone.accuracy.high, abs=0.02)
    assert grouped.accuracy.low < plain.accuracy.low
    macro = objectives.get("macro_f1")
    wide = macro.interval(grouped.confusion, grouped.loss, grouped.independent)
    narrow = macro.interval(plain.confusion, plain.loss)
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low
    assert wide.value == narrow.value
    assert Scores.from_dict(grouped.to_dict()).to_dict() == grouped.to_dict()


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 9), (150, 160)])
def test_the_interval_of_fewer_cases_is_wilson_s_own_formula(successes: int, n: int) -> None:
    whole = wilson(successes, n)
    nearly = wilson(successes, n, 1 - 1e-12)
    assert (nearly.low, nearly.high) == pytest.approx((whole.low, whole.high), abs=1e-9)
