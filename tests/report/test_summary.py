"""How the champion compares with the baseline, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mineralsweep.config import Sweep, build
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.evaluation import Paired, compare
from mineralsweep.evaluation.paired import Permuted
from mineralsweep.report import leaderboard, standing, verdict


def sweep(**changes: Any) -> Sweep:
    raw = {"question": "Is it better?", "image_size": 80, "space": {"architecture": "model2"}}
    return build({**raw, **changes}, "test")


def record(number: int, accuracy: float, **changes: Any) -> TrialRecord:
    made = TrialRecord(
        number=number, state="COMPLETE", params={"architecture": "model2"}, value=accuracy,
        accuracy=accuracy, loss=1 - accuracy, n=100, best_epoch=1, run_id="r", model_id="m-1",
        reason="", seconds=1.0,
    )  # fmt: skip
    return replace(made, **changes)


def test_its_row_stands_where_its_value_puts_it() -> None:
    rows = [record(0, 0.9), record(1, 0.7), record(BASELINE, 0.8)]
    table = leaderboard(rows, sweep())
    assert table["trial"].tolist() == [0, "baseline", 1]


def paired(gained: int, lost: int) -> Paired:
    """Return 100 images, on some of which the baseline or the best trial alone is right."""
    before = [False] * gained + [True] * (100 - gained)
    after = [True] * gained + [False] * lost + [True] * (100 - gained - lost)
    return compare(before, after)


@pytest.mark.parametrize(
    ("gained", "lost", "accuracy", "expected"),
    [
        (9, 1, 0.92, "true"),
        (7, 3, 0.92, "not shown"),
        (1, 15, 0.92, "not shown"),  # better by the objective, right less often
        (9, 1, 0.85, "not shown"),  # no better
    ],
)
def test_a_champion_beats_it_only_where_the_difference_is_significant(
    gained: int, lost: int, accuracy: float, expected: str
) -> None:
    best, baseline, compared = record(4, accuracy), record(BASELINE, 0.85), paired(gained, lost)
    assert standing(best, baseline, compared, "accuracy") == expected
    first, test = verdict(best, baseline, compared, "accuracy")
    assert str(best.interval()) in first
    assert str(baseline.interval()) in first
    assert str(compared) in test
    significant = gained > lost and compared.p < 0.05
    assert ("not significant" in test) != significant


def test_predictions_that_can_not_be_read_show_nothing() -> None:
    best, baseline = record(4, 0.92), record(BASELINE, 0.85)
    assert standing(best, baseline, None, "accuracy") == "not shown"
    assert len(verdict(best, baseline, None, "accuracy")) == 2


def test_the_comparison_is_by_the_sweep_s_objective() -> None:
    best = record(4, 0.92, value=0.5, low=0.4, high=0.6)
    baseline = record(BASELINE, 0.85, value=0.6, low=0.5, high=0.7)
    ahead = Permuted("loss", -0.1, ahead=True, p=0.01, n=100)
    assert standing(best, baseline, ahead, "loss") == "true"  # 0.5 is the smaller one
    assert standing(best, baseline, replace(ahead, p=0.06), "loss") == "not shown"
    behind = replace(ahead, ahead=False)
    assert standing(best, baseline, behind, "macro_f1") == "not shown"
    first, test = verdict(best, baseline, behind, "macro_f1")
    assert str(behind) in test
    assert "0.500 [0.400, 0.600], n = 100" in first
    assert str(best.interval()) in first


def test_a_baseline_that_is_the_champion_is_said_to_be_it() -> None:
    best = record(BASELINE, 0.8)
    [line] = verdict(best, best, None, "accuracy")
    assert str(best.interval()) in line
    assert standing(best, best, None, "accuracy") == "is the baseline"
