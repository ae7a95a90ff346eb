"""What is told of a study as a whole: its best trials beside each other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.registry import Crowned
from mineralsweep.report import against_baseline
from mineralsweep.report.evidence import Evidence, Predictions
from tests.report.test_summary import record, sweep


class Answered(Evidence):
    """A study of which 12 images of one class were answered: the best trial has all of them
    right, the baseline none. Its lines are in another order."""

    def predictions(self, number: int) -> Predictions:
        right = np.tile([[0.9, 0.1]], (12, 1))
        rows = tuple(range(12)) if number != BASELINE else tuple(reversed(range(12)))
        return Predictions(rows, (0,) * 12, right if number != BASELINE else right[:, ::-1])


def answered(together: list[int]) -> Evidence:
    best: TrialRecord = record(4, 1.0)
    crowned = cast(Crowned, SimpleNamespace(record=best))
    dataset: Any = SimpleNamespace(related=lambda: tuple(together))
    return Answered(
        "study", sweep(), dataset, (best,), crowned, "", "", baseline=record(BASELINE, 0.0)
    )


@pytest.mark.parametrize(
    ("together", "alone"), [(list(range(12)), 12), ([0] * 6 + [6] * 3 + [9] * 3, 3)]
)
def test_images_that_belong_together_are_one_witness(together: list[int], alone: int) -> None:
    found = against_baseline(answered(together))
    assert found is not None
    assert (found.n, found.difference) == (alone, 1)
    assert found.p == pytest.approx(2 * 0.5**alone)
