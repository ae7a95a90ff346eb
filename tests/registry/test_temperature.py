"""The temperature of a model's probabilities: found again where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.registry import temperature
from mineralsweep.serving.confidence import with_temperature

LOGITS = np.random.default_rng(0).normal(0, 2, (4000, 3))
TRUE = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = np.array([np.random.default_rng(i).choice(3, p=row) for i, row in enumerate(TRUE)])


@pytest.mark.parametrize("sure", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_too_much_and_too_little_confidence(sure: float) -> None:
    told = with_temperature(TRUE, 1 / sure)
    assert temperature.fit(told.astype(float), LABELS) == pytest.approx(sure, rel=0.08)


def test_a_few_answers_that_are_all_right_are_no_reason_to_be_certain() -> None:
    told = np.tile([[0.6, 0.3, 0.1]], (30, 1))
    assert temperature.fit(told, np.zeros(30, int)) == 1.0
    one_wrong = np.array([1, *[0] * 29])
    assert 0.2 < temperature.fit(told, one_wrong) < 1.0
