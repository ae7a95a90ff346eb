"""Folds in the sweep file: their rules, and the pruner that suits them."""

from __future__ import annotations

from typing import Any

import pytest

from mineralsweep.config import Override, build
from mineralsweep.errors import ConfigError

PLAIN: dict[str, Any] = {"question": "Are folds read?", "space": {"architecture": "model2"}}


def test_without_folds_a_trial_is_trained_once_and_the_median_prunes() -> None:
    sweep = build(PLAIN, "x")
    assert (sweep.folds, sweep.repeats, sweep.fits()) == (1, 1, 1)
    assert sweep.engine.pruner == "median"


def test_with_folds_the_pruner_compares_folds_unless_another_is_named() -> None:
    sweep = build({**PLAIN, "folds": 5, "repeats": 3}, "x")
    assert sweep.fits() == 15
    assert sweep.engine.pruner == "wilcoxon"
    engine = {"sampler": "random"}
    assert build({**PLAIN, "folds": 5, "engine": engine}, "x").engine.pruner == "wilcoxon"
    engine = {"pruner": "none"}
    assert build({**PLAIN, "folds": 5, "engine": engine}, "x").engine.pruner == "none"


def test_a_flag_turns_folds_on_and_off_with_their_pruner() -> None:
    on = build(PLAIN, "x", [Override("folds", 5, "--folds")])
    assert on.engine.pruner == "wilcoxon"
    off = build({**PLAIN, "folds": 5}, "x", [Override("folds", 1, "--folds")])
    assert off.engine.pruner == "median"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 0}, r"x: folds: must be greater than or equal to 1, got 0"),
        ({"folds": 21}, r"x: folds: must be less than or equal to 20, got 21"),
        ({"folds": "five"}, r"x: folds: must be a valid integer, got 'five'"),
        ({"repeats": 3}, r"x: repeats: needs folds, got 3; set folds, such as 5"),
        (
            {"folds": 5, "engine": {"pruner": "median"}},
            r"x: engine.pruner: median compares epochs of one split, and each trial has 5 folds;"
            r" leave it out, or write wilcoxon or none",
        ),
        (
            {"engine": {"pruner": "wilcoxon"}},
            r"x: engine.pruner: wilcoxon compares folds, and there are none; set folds, such as 5",
        ),
    ],
)
def test_each_mistake_is_named_with_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build({**PLAIN, **change}, "x")
