"""The arithmetic of the benchmarks, on numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import sweeps, to_accuracy
from benchmarks.picture import draw
from benchmarks.workloads import WORKLOADS, sweep_file
from mineralsweep.config import build

PEER: dict[str, Any] = {
    "start_seconds": 5.0,
    "trial_seconds": [40.0, 70.0],
    "trace": [
        {"trial": 0, "epoch": 1, "epoch_seconds": 30.0, "unfrozen": 0},  # compiles: left out
        {"trial": 0, "epoch": 2, "epoch_seconds": 10.0, "unfrozen": 0},
        {"trial": 1, "epoch": 1, "epoch_seconds": 50.0, "unfrozen": 4},
        {"trial": 1, "epoch": 2, "epoch_seconds": 20.0, "unfrozen": 4},
    ],
}


def test_a_peer_is_scaled_by_its_later_epochs_and_its_overhead() -> None:
    assert sweeps._epochs(PEER) == {0: 10.0, 4: 20.0}
    # trial 0: 40 s less 2 x 10 s; trial 1: 70 s less 2 x 20 s; the median of 20 and 30
    assert sweeps._overhead(PEER) == pytest.approx(25.0)
    # 5 s + 3 trials x (10 epochs x 15 s + 25 s)
    assert sweeps._scaled(PEER, {"trials": 3, "epochs": 10}) == pytest.approx(530.0)


def test_the_time_to_an_accuracy_is_on_each_one_s_own_clock() -> None:
    result: dict[str, Any] = {
        "ours_trace": [
            {"seconds": 3.0, "val_accuracy": 0.5},
            {"seconds": 6.0, "val_accuracy": 0.8},
        ],
    }
    reference = {
        "records": [
            {"number": 0, "params": {"unfrozen": 0}},
            {"number": 1, "params": {"unfrozen": 4}},
        ],
        "trace": [
            {"trial": 0, "epoch": 1, "val_accuracy": 0.4},
            {"trial": 0, "epoch": 2, "val_accuracy": 0.6},
            {"trial": 1, "epoch": 1, "val_accuracy": 0.7},
        ],
    }
    points = to_accuracy.on_clock(25.0, reference, {0: 10.0, 4: 20.0})
    found = to_accuracy.compare(result, points, 2)
    assert found["plain_on_clock"] == [(35.0, 0.4), (45.0, 0.6), (90.0, 0.7)]
    assert found["plain_best"] == found["goal"] == 0.7
    assert found["ratio_to_goal"] == pytest.approx(90 / 6)
    assert "time to 0.700: plain 90 s, ours 6 s: 15.0 x" in to_accuracy.tell(
        {**result, **found, "reference": "without pruning"}
    )


def test_an_accuracy_that_ours_does_not_reach_is_said() -> None:
    result: dict[str, Any] = {
        "ours_trace": [{"seconds": 2.0, "val_accuracy": 0.5}],
    }
    reference = {
        "records": [{"number": 0, "params": {}}],
        "trace": [
            {"trial": 0, "epoch": 1, "val_accuracy": 0.5},
            {"trial": 0, "epoch": 2, "val_accuracy": 0.9},
        ],
    }
    found = to_accuracy.compare(result, to_accuracy.on_clock(0.0, reference, {0: 10.0}), 1)
    assert found["goal"] == 0.5
    assert found["ratio_to_goal"] == pytest.approx(5.0)
    assert "not reached by ours" in to_accuracy.tell(
        {**result, **found, "reference": "without pruning"}
    )


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_every_workload_is_a_good_sweep_file(name: str) -> None:
    sweep = build(sweep_file(WORKLOADS[name], "none"), name)
    assert sweep.budget.trials * sweep.budget.epochs >= (90 if WORKLOADS[name].whole else 240)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    row = {"seconds": 60.0, "val_accuracy": 0.5}
    result = {"title": "a", "ours_trace": [row], "ours_seconds": 60.0, "plain_seconds": 600.0}
    draw({"a": result, "b": {**result, "plain_on_clock": [(90.0, 0.4)]}}, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
