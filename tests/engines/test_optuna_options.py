"""Each pruner, where its prune is certain: the reason, against numbers worked out by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from optuna.storages import InMemoryStorage

from mineralsweep.config import Engine as Settings
from mineralsweep.config import Sweep, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines.engine import Engine
from mineralsweep.engines.optuna import OptunaEngine
from mineralsweep.engines.optuna_options import PRUNERS, first_rung

NOT_AMONG = "is not among the best 1/3 of the trials that reached this rung"

names = pytest.mark.parametrize("pruner", sorted(PRUNERS))


def sweep(epochs: int, objective: str = "accuracy", **engine: Any) -> Sweep:
    raw = {
        "question": "Why was it pruned?",
        "space": {"architecture": "model2", "learning_rate": {"low": 1e-4, "high": 1e-1}},
        "budget": {"epochs": epochs},
        "engine": {"sampler": "random", "startup_trials": 1, **engine},
        "objective": objective,
        "folds": 12 if engine.get("pruner") == "wilcoxon" else 1,
    }
    return build(raw, "test")


def opened(epochs: int, study: str = "s", **settings: Any) -> OptunaEngine:
    if settings.get("pruner") == "threshold":
        bound = {"upper": 0.7} if settings.get("objective") == "loss" else {"lower": 0.3}
        settings.setdefault("pruner_options", bound)
    return OptunaEngine(sweep(epochs, **settings), study, Path("unused"), InMemoryStorage())


def ended(number: int, state: Any, value: float | None) -> TrialRecord:
    return TrialRecord(
        number=number, state=state, params={}, value=value, accuracy=value, loss=0.0, n=10,
        best_epoch=1, run_id="", model_id=None, reason="", seconds=1.0,
    )  # fmt: skip


def ask(engine: Engine) -> int:
    proposal = engine.ask()
    assert proposal is not None
    return proposal.number


def play(engine: Engine, values: list[float]) -> str | None:
    """Run a trial over its values, an epoch each; return why it was pruned."""
    number = ask(engine)
    for epoch, value in enumerate(values, 1):
        reason = engine.report(number, epoch, value)
        if reason is not None:
            engine.tell(ended(number, "PRUNED", value))
            return reason
    engine.tell(ended(number, "COMPLETE", values[-1]))
    return None


def test_every_pruner_of_a_sweep_file_is_there() -> None:
    assert set(get_args(Settings.model_fields["pruner"].annotation)) == set(PRUNERS)


def test_the_median_names_the_median_and_its_trials() -> None:
    engine = opened(20, pruner="median", startup_trials=4)  # looks from epoch 20 // 4 = 5 on
    for level in (0.7, 0.6, 0.56, 0.9):
        assert play(engine, [level] * 20) is None
    # Of 0.56, 0.6, 0.7 and 0.9 the median is (0.6 + 0.7) / 2.
    assert play(engine, [0.1, 0.2, 0.3, 0.4, 0.41]) == (
        "median pruner at epoch 5: val_accuracy 0.410 below 0.650, the median of 4 trials"
    )


def test_the_median_compares_the_best_epoch_and_complete_trials_only() -> None:
    engine = opened(4, pruner="median")
    assert play(engine, [0.8] * 4) is None
    assert play(engine, [0.5, 0.3]) == (
        "median pruner at epoch 1: val_accuracy 0.500 below 0.800, the median of 1 trial"
    )
    assert play(engine, [0.81, 0.82, 0.83, 0.9]) is None
    assert play(engine, [0.8, 0.8, 0.8, 0.7]) == (
        # At epoch 1 and 2 the medians are 0.805 and 0.81.
        "median pruner at epoch 1: val_accuracy 0.800 below 0.805, the median of 2 trials"
    )
    assert play(engine, [0.807, 0.806]) == (
        "median pruner at epoch 2: val_accuracy 0.807 at best below 0.810, the median of 2 trials"
    )


def test_a_loss_is_pruned_for_being_above() -> None:
    engine = opened(8, pruner="median", objective="loss")
    assert play(engine, [2.0, 1.0] + [0.5] * 6) is None
    assert play(engine, [1.9, 1.25]) == (
        "median pruner at epoch 2: val_loss 1.250 above 1.000, the median of 1 trial"
    )


def test_numbers_that_differ_are_not_written_alike() -> None:
    engine = opened(4, pruner="median", objective="loss")
    assert play(engine, [0.41234] * 4) is None
    assert play(engine, [0.41238]) == (
        "median pruner at epoch 1: val_loss 0.4124 above 0.4123, the median of 1 trial"
    )


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(1, 1), (9, 1), (10, 2), (15, 2), (27, 3), (30, 4), (50, 6)]
)
def test_two_rungs_lie_within_a_budget_and_the_third_at_its_end(epochs: int, rungs: int) -> None:
    assert first_rung(epochs) == rungs
    assert 9 * rungs >= epochs


def test_successive_halving_names_the_rung_and_what_would_have_passed() -> None:
    engine = opened(18, pruner="successive_halving")  # rungs at epochs 2, 6 and 18
    assert play(engine, [0.5] * 18) is None
    # Of fewer than six trials at a rung only the best passes.
    assert play(engine, [0.9, 0.41]) == (
        f"successive_halving pruner at epoch 2: val_accuracy 0.410 {NOT_AMONG}"
    )
    assert play(engine, [0.6] * 5 + [0.4]) == (
        f"successive_halving pruner at epoch 6: val_accuracy 0.400 {NOT_AMONG}"
    )
    for level in (0.1, 0.2):
        assert play(engine, [level] * 2) is not None
    # With 0.5, 0.41, 0.6, 0.1, 0.2 it is the sixth at rung 1: the best two pass, 0.6 and 0.55.
    assert play(engine, [0.55] * 3 + [0.3] * 3) == (
        f"successive_halving pruner at epoch 6: val_accuracy 0.300 {NOT_AMONG}"
    )
    # The seventh: 0.6, 0.55, 0.5, ...
    assert play(engine, [0.52] * 2) == (
        f"successive_halving pruner at epoch 2: val_accuracy 0.520 {NOT_AMONG}"
    )


def test_successive_halving_of_a_loss() -> None:
    engine = opened(9, pruner="successive_halving", objective="loss")  # rungs at 1, 3 and 9
    assert play(engine, [0.7] * 9) is None
    assert (
        play(engine, [0.9]) == f"successive_halving pruner at epoch 1: val_loss 0.900 {NOT_AMONG}"
    )


def test_hyperband_names_the_bracket_and_compares_within_it() -> None:
    # Optuna's rule for trial i of the study s: the CRC-32 of "s_i" modulo 9 + 5 + 3; below 9 is
    # bracket 1 (rungs at epochs 3, 9, 27), below 14 bracket 2 (9, 27), the rest bracket 3 (27).
    engine = opened(27, pruner="hyperband")
    assert play(engine, [0.5] * 27) is None  # trial 0, bracket 1
    assert play(engine, [0.1] * 27) is None  # trial 1, alone in bracket 2
    assert play(engine, [0.41] * 3) == (
        f"hyperband pruner at epoch 3: val_accuracy 0.410 {NOT_AMONG}"
    )
    assert play(engine, [0.6] * 8 + [0.4]) == (
        f"hyperband pruner at epoch 9: val_accuracy 0.400 {NOT_AMONG}"
    )
    for _ in (4, 5, 6):  # bracket 1; equal to the best is good enough
        assert play(engine, [0.7] * 27) is None
    for _ in (7, 8, 9):  # bracket 3
        assert play(engine, [0.0] * 27) is None
    assert play(engine, [0.7] * 27) is None  # trial 10, bracket 1
    assert play(engine, [0.05] * 9) == (  # trial 11
        f"hyperband pruner at epoch 9: val_accuracy 0.050 {NOT_AMONG}"
    )


def test_patience_names_the_best_value_and_the_wait() -> None:
    engine = opened(20, pruner="patience")
    assert play(engine, [0.1] * 20) is None
    assert play(engine, [0.5, 0.52, 0.55, 0.61, 0.6, 0.6, 0.6, 0.59, 0.58, 0.57]) == (
        "patience pruner at epoch 9: no better val_accuracy than 0.610 for 5 epochs"
    )


def test_patience_is_as_long_as_the_file_says() -> None:
    engine = opened(20, pruner="patience", pruner_patience=1, objective="loss")
    assert play(engine, [0.9] * 20) is None
    assert play(engine, [0.9, 0.8, 0.8, 0.7, 0.75]) == (
        "patience pruner at epoch 5: no better val_loss than 0.700 for 1 epoch"
    )


@pytest.mark.parametrize("objective", ["accuracy", "loss"])
@names
def test_a_reason_always_names_a_better_number(pruner: str, objective: str) -> None:
    """Over many random trials: what a reason names must bear out what Optuna decided."""
    engine = opened(12, pruner=pruner, objective=objective)
    draw = np.random.default_rng(0)
    reasons = [play(engine, draw.random(12).tolist()) for _ in range(60)]
    for reason in filter(None, reasons):
        numbers = re.fullmatch(r".* (\d\.\d+)(?: at best)? (below|above) (\d\.\d+).*", reason)
        if numbers is None:
            assert reason.startswith(("patience", "successive_halving", "hyperband"))
            continue
        value, side, bar = numbers.groups()
        assert side == ("below" if objective == "accuracy" else "above")
        assert (float(value) < float(bar)) == (objective == "accuracy")
        assert value != bar
    assert any(reasons) == (pruner != "none")


@names
def test_the_first_trial_of_a_study_is_never_pruned(pruner: str) -> None:
    falling = [0.9 - 0.04 * epoch for epoch in range(20)]
    assert play(opened(20, pruner=pruner), falling) is None


@names
def test_a_study_of_two_at_a_time_always_completes_one(pruner: str) -> None:
    engine = opened(20, pruner=pruner)
    falling = [0.9 - 0.04 * epoch for epoch in range(20)]
    first, second = ask(engine), ask(engine)
    assert [engine.report(first, epoch, value) for epoch, value in enumerate(falling, 1)] == (
        [None] * 20
    )
    engine.tell(ended(first, "FAILED", None))
    # Nothing is complete yet: now the second one is the oldest.
    for epoch, value in enumerate(falling, 1):
        assert engine.report(second, epoch, value - 0.1) is None


def test_the_percentile_names_what_the_best_quarter_has() -> None:
    engine = opened(4, pruner="percentile", startup_trials=4)
    for level in (0.1, 0.2, 0.3, 0.4, 0.5):
        assert play(engine, [level] * 4) is None
    # The 75th percentile of the five is 0.4.
    assert play(engine, [0.39]) == (
        "percentile pruner at epoch 1: val_accuracy 0.390 at best below 0.400,"
        " the best 25 % of 5 trials"
    )


def test_a_threshold_is_named() -> None:
    engine = opened(4, pruner="threshold", pruner_options={"lower": 0.4, "n_warmup_steps": 2})
    assert play(engine, [0.5] * 4) is None
    assert play(engine, [0.1, 0.3]) == (
        "threshold pruner at epoch 2: val_accuracy 0.300 below 0.400"
    )


def test_options_change_the_rungs_and_what_the_reason_says() -> None:
    engine = opened(
        8, pruner="successive_halving", pruner_options={"min_resource": 2, "reduction_factor": 2}
    )
    for level in (0.5, 0.6):
        assert play(engine, [level] * 8) is None
    # Of three at the first rung one passes, of four the best two.
    among = NOT_AMONG.replace("1/3", "1/2")
    assert play(engine, [0.4] * 2) == (
        "successive_halving pruner at epoch 2: val_accuracy 0.400 "
        + NOT_AMONG.replace("1/3", "1/2")
    )
    assert play(engine, [0.45] * 2) == (
        f"successive_halving pruner at epoch 2: val_accuracy 0.450 {among}"
    )


def test_a_trial_that_lost_its_first_three_folds_to_the_best_is_pruned() -> None:
    engine = opened(5, pruner="wilcoxon")
    assert play(engine, [0.8, 0.7, 0.9, 0.8, 0.8]) is None
    number = ask(engine)
    answers = [engine.report(number, fold, value) for fold, value in ((4, 0.7), (1, 0.5), (3, 0.6))]
    assert answers == [
        None,
        None,
        "wilcoxon pruner after 3 folds: mean val_accuracy 0.600 below 0.833, trial 0's on the same"
        " folds, and worse on 3 of them",
    ]


def test_a_trial_that_won_a_fold_of_three_goes_on() -> None:
    engine = opened(5, pruner="wilcoxon")
    assert play(engine, [0.8, 0.7, 0.9, 0.8, 0.8]) is None
    number = ask(engine)
    for fold, value in ((4, 0.79), (1, 0.85), (3, 0.89)):
        assert engine.report(number, fold, value) is None


def test_a_fold_reported_twice_counts_once() -> None:
    engine = opened(5, pruner="wilcoxon")
    assert play(engine, [0.8, 0.7, 0.9, 0.8, 0.8]) is None
    number = ask(engine)
    for _ in range(5):
        assert engine.report(number, 4, 0.1) is None


def test_of_two_at_a_time_the_younger_may_be_pruned() -> None:
    engine = opened(9, pruner="successive_halving")
    first, second = ask(engine), ask(engine)
    assert engine.report(first, 1, 0.5) is None
    assert engine.report(second, 1, 0.4) == (
        f"successive_halving pruner at epoch 1: val_accuracy 0.400 {NOT_AMONG}"
    )
