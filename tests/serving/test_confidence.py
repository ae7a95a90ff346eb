"""The temperature: found again where it is known, applied as told, and bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mineralsweep.serving import confidence
from mineralsweep.serving.confidence import with_temperature

LOGITS = np.random.default_rng(0).normal(0, 2, (4000, 3))
TRUE = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def test_the_order_stays_and_rows_add_up_to_1() -> None:
    for value in (0.1, 0.7, 2.0, 10.0):
        told = with_temperature(TRUE, value)
        assert told.dtype == np.float32
        np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_array_equal(told.argmax(axis=1), TRUE.argmax(axis=1))


def test_a_probability_of_0_is_no_certainty() -> None:
    told = with_temperature(np.array([[1.0, 0.0]]), 2.0)
    assert told[0].tolist() == pytest.approx([1 / 1.001, 0.001 / 1.001], rel=1e-3)
    assert with_temperature(np.array([[1.0, 0.0]]), 1.0).tolist() == [[1.0, 0.0]]


def test_a_model_without_one_answers_as_it_is(tmp_path: Path) -> None:
    assert confidence.load(tmp_path) == 1.0
    confidence.save(1.7, 80, tmp_path)
    assert confidence.load(tmp_path) == 1.7


def test_a_temperature_out_of_range_is_refused(tmp_path: Path) -> None:
    confidence.save(0.0, 80, tmp_path)
    with pytest.raises(ValueError, match="must be in"):
        confidence.load(tmp_path)
