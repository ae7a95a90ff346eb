"""The expected calibration error against hand-made cases and simulations."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from mineralsweep.evaluation.calibration import calibration

module = sys.modules[calibration.__module__]


def two_classes(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, list[int]]:
    probabilities = np.array([[c, 1 - c] for c in confidence], np.float32)
    return probabilities, [0 if one else 1 for one in right]


def test_the_error_is_the_mean_gap_of_the_bins() -> None:
    # Bin (0.8, 0.9]: confidence 0.85, 1 of 2 right: gap 0.35. Bin (0.5, 0.6]: 0.58, right: 0.42.
    found = calibration(*two_classes([0.85, 0.85, 0.58], [True, False, True]))
    assert found.error == pytest.approx((2 * 0.35 + 0.42) / 3, abs=1e-6)
    assert [(one.low, one.accuracy.n) for one in found.bins] == [(0.5, 1), (0.8, 2)]
    assert found.bins[1].accuracy.value == 0.5
    assert found.n == 3


def test_a_confidence_on_a_border_belongs_to_the_bin_below_it() -> None:
    found = calibration(*two_classes([0.5, 1.0], [True, True]))
    assert [(one.low, one.high) for one in found.bins] == [(0.4, 0.5), (0.9, 1.0)]


def test_sure_and_right_has_no_error() -> None:
    found = calibration(*two_classes([1.0] * 20, [True] * 20))
    assert (found.error, found.low, found.high, found.chance) == (0, 0, 0, 0)


def test_sure_and_wrong_is_above_what_chance_makes() -> None:
    found = calibration(*two_classes([0.95] * 40, [i % 2 == 0 for i in range(40)]))
    assert found.error == pytest.approx(0.45)
    assert found.low <= found.error <= found.high
    assert found.chance < found.low


def test_a_calibrated_model_stays_below_chance_in_about_95_of_100_cases() -> None:
    random = np.random.default_rng(1)
    below = 0
    for _ in range(60):
        confidence = random.uniform(0.5, 1, 50)
        right = random.random(50) < confidence
        found = calibration(*two_classes(list(confidence), list(right)))
        below += found.error <= found.chance
    assert 52 <= below <= 60


def test_the_same_images_give_the_same_interval() -> None:
    data = two_classes([0.7, 0.8, 0.9, 0.55], [True, False, True, True])
    assert calibration(*data) == calibration(*data)


def test_many_images_are_drawn_in_blocks_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    data = two_classes([0.7, 0.8, 0.9, 0.55] * 5, [True, False, True, True] * 5)
    expected = module.calibration(*data)
    sizes = []
    errors = module._errors

    def noted(confidence: np.ndarray, *rest: Any) -> Any:
        sizes.append(confidence.size)
        return errors(confidence, *rest)

    monkeypatch.setattr(module, "_errors", noted)
    monkeypatch.setattr(module, "AT_ONCE", 5000)
    assert module.calibration(*data) == expected
    assert max(sizes) <= 5000
    assert sum(sizes) == 2 * module.DRAWS * 20 + 20


def test_no_images_are_an_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        calibration(np.zeros((0, 2), np.float32), [])
