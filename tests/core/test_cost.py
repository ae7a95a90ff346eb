"""Several objectives: who stands on the Pareto front, and who is chosen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mineralsweep.core.cost import chosen, front, why
from mineralsweep.core.record import TrialRecord

COSTS = ("latency_ms", "size_mb")


def record(number: int, value: float, latency: float, size: float = 1.0) -> TrialRecord:
    return TrialRecord(
        number=number, state="COMPLETE", params={}, value=value, accuracy=value, loss=1 - value,
        n=100, best_epoch=1, run_id="r", model_id="m", reason="", seconds=1.0,
        measures={"accuracy": value, "latency_ms": latency, "size_mb": size},
    )  # fmt: skip


TRIALS = [
    record(0, 0.90, 30.0),
    record(1, 0.95, 40.0),
    record(2, 0.93, 20.0),
    record(3, 0.93, 25.0),  # trial 2 is as good, and faster
    record(4, 0.60, 1.0),
]


def numbers(records: list[TrialRecord]) -> list[int]:
    return [one.number for one in records]


def test_the_front_holds_those_that_none_equals_and_beats() -> None:
    assert numbers(front(TRIALS, "accuracy", ["latency_ms"])) == [1, 2, 4]
    smaller = [*TRIALS, record(5, 0.93, 25.0, size=0.5)]
    assert numbers(front(smaller, "accuracy", COSTS)) == [1, 2, 5, 4]
    twins = [record(0, 0.9, 3.0), record(1, 0.9, 3.0)]
    assert numbers(front(twins, "accuracy", COSTS)) == [0, 1]
    assert front([], "accuracy", COSTS) == []


def test_a_loss_is_better_the_smaller_it_is() -> None:
    losses = [record(0, 0.2, 5.0), record(1, 0.5, 5.0), record(2, 0.3, 1.0)]
    assert numbers(front(losses, "loss", ["latency_ms"])) == [0, 2]
    best = chosen(losses, "loss", ["latency_ms"], 0.1)
    assert best is not None
    assert best.number == 2


def test_trials_that_failed_or_were_not_measured_stand_on_no_front() -> None:
    failed = replace(record(6, 0.99, 0.1), state="FAILED", value=None)
    unmeasured = replace(record(7, 0.99, 0.1), measures={"accuracy": 0.99})
    assert numbers(front([*TRIALS, failed, unmeasured], "accuracy", ["latency_ms"])) == [1, 2, 4]


@pytest.mark.parametrize(
    ("tolerance", "number"), [(0.0, 1), (0.019, 1), (0.02, 2), (0.05, 2), (0.35, 4)]
)
def test_the_cheapest_within_the_tolerance_is_chosen(tolerance: float, number: int) -> None:
    best = chosen(TRIALS, "accuracy", COSTS, tolerance)
    assert best is not None
    assert best.number == number


def test_without_costs_the_best_is_chosen_and_without_trials_none() -> None:
    best = chosen(TRIALS, "accuracy", (), 0.5)
    assert best is not None
    assert best.number == 1
    assert chosen([], "accuracy", COSTS, 0.5) is None
    unmeasured = replace(record(7, 0.99, 0.1), measures={})
    assert chosen([unmeasured], "accuracy", COSTS, 0.5) == unmeasured


def test_the_rule_is_told_with_its_numbers() -> None:
    told = why(TRIALS[2], TRIALS[1], "accuracy", "latency_ms", 0.02)
    for part in ("trial 2", "0.930", "0.950", "0.02", "20", "40", "latency_ms"):
        assert part in told
    assert math.isclose(float(told.rpartition(" against ")[2]), 40.0)
    assert "trial 1 has the best accuracy" in why(
        TRIALS[1], TRIALS[1], "accuracy", "latency_ms", 0.01
    )
