"""Scores and their intervals, against values worked out by hand or published."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.evaluation import score, wilson


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
