"""The replay of pruners over recorded trials, on curves that are drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.pruners import REPLAYED, Curve, main, read, replay, replay_orders
from mineralsweep.errors import ConfigError

EPOCHS = 12


def drawn(trials: int = 12, noise: float = 0.0) -> list[Curve]:
    """Return trials that learn towards different accuracies; without noise they never cross."""
    draw = np.random.default_rng(0)
    learned = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 4)
    curves = []
    for final in np.linspace(0.3, 0.9, trials):
        accuracies = np.clip(final * learned + draw.normal(0, noise, EPOCHS), 0, 1)
        curves.append(curve(accuracies.tolist(), (1 - accuracies).tolist()))
    return curves


def curve(accuracies: list[float], losses: list[float], seconds: float = 1.0) -> Curve:
    return Curve(tuple(accuracies), tuple(losses), (seconds,) * len(losses))


def write(tmp_path: Path, raw: Any) -> Path:
    path = tmp_path / "curves.json"
    path.write_text(raw if isinstance(raw, str) else json.dumps(raw))
    return path


def pairs(curves: list[Curve]) -> list[list[tuple[float, float]]]:
    return [list(zip(one.accuracies, one.losses, strict=True)) for one in curves]


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("pruner", REPLAYED)
def test_curves_that_never_cross_cost_no_accuracy(pruner: str, slots: int) -> None:
    outcomes = replay_orders(drawn(), {"pruner": pruner}, slots, shuffles=5, seed=0)
    for outcome in outcomes:
        assert outcome.kept
        assert outcome.regret == 0
        saves = pruner not in ("none", "patience")  # no trial here stops getting better
        assert (outcome.spent < 1) == saves


def test_the_account_of_a_small_study_by_hand() -> None:
    late = curve([0.1, 0.2, 0.9], [1.0, 0.9, 0.8])
    steady = curve([0.5, 0.7, 0.6], [0.5, 0.3, 0.4])
    settings = {"pruner": "successive_halving"}  # the first rung is at epoch 1
    outcome = replay([steady, late], settings, 1, "s")
    assert outcome.spent == 4 / 6
    assert outcome.regret == pytest.approx(0.2)  # 0.9, less 0.7 at the lowest loss
    assert not outcome.kept
    # In the other order and two at a time, each trial is the best so far when it is at the rung.
    outcome = replay([late, steady], settings, 2, "s")
    assert (outcome.spent, outcome.regret, outcome.kept) == (1.0, 0.0, True)


def test_a_slow_trial_meets_those_that_overtook_it() -> None:
    slow = curve([0.3, 0.3, 0.9], [0.5, 0.4, 0.3], seconds=10)
    quick = curve([0.5, 0.5, 0.5], [0.5, 0.4, 0.3])
    settings = {"pruner": "successive_halving"}
    assert replay([slow, quick], settings, 1, "s").kept
    outcome = replay([slow, quick], settings, 2, "s")
    assert not outcome.kept  # 0.5 was at the rung, and complete, before 0.3
    assert outcome.spent == 4 / 6


def test_both_forms_are_read_alike(tmp_path: Path) -> None:
    curves = drawn(3)
    assert read(write(tmp_path, pairs(curves))) == curves
    rows = [
        {"trial": f"t{trial}", "epoch": epoch, "seconds": 1.0, "val_accuracy": a, "val_loss": b}
        for trial, values in enumerate(pairs(curves))
        for epoch, (a, b) in enumerate(values, 1)
    ]
    assert read(write(tmp_path, rows)) == curves


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("[", "can't be read"),
        ([], "must hold a list of trials"),
        ({"trials": 3}, "must hold a list of trials"),
        ([[0.5, 0.6], [0.7, 0.8]], "must hold a list of trials"),
        ([[[0.5, 0.6]]], "must hold at least 2 trials, got 1"),
        ([[[0.5, 0.6]], [[50, 0.6]]], "trial 1: accuracies must be from 0 to 1, got 50"),
        ("[[[0.5, NaN]], [[0.5, 1]]]", "trial 0: every value must be finite"),
        (
            [{"trial": 0, "epoch": 2, "val_accuracy": 0.5, "val_loss": 1.0}],
            "trial 0: epochs must be 1, 2, 3, ... once each, got 2 in place of 1",
        ),
    ],
)
def test_what_holds_no_curves_is_refused(tmp_path: Path, raw: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(write(tmp_path, raw))


def test_the_table_has_a_row_for_every_pruner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(write(tmp_path, pairs(drawn(noise=0.05)))), "--shuffles", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "12 trials of 12 epochs, 3 orders each"
    assert [line.split(" | ")[1] for line in lines[4:]] == REPLAYED * 2
    assert lines[4] == "| 1 | none | 100% | 0.0000 | 0.0000 | 100.0% |"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nothing\.json: can't be read"):
        main([str(tmp_path / "nothing.json")])
