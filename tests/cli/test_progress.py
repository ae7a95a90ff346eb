"""What a person sees while trials run."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mineralsweep.app.progress import Progress
from mineralsweep.config import Sweep, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.core.trial import EpochReport, FoldResult
from mineralsweep.data.dataset import Dataset
from tests.executors.test_folded import folded_trial

RECORD = TrialRecord(
    0, "COMPLETE", {"architecture": "model2"}, 0.8, 0.8, 0.5, 20, 3, "", None, "", 30.0,
    low=0.6, high=0.9,
)  # fmt: skip


def sweep(trials: int, workers: int = 1, **changes: Any) -> Sweep:
    budget = {"trials": trials, "epochs": 4, **changes.pop("budget", {})}
    raw = {"question": "Does it tell?", "space": {"architecture": "model2"}, "workers": workers}
    built = build({**raw, "budget": budget, **changes}, "test")
    return built.model_copy(update={"objective": changes.get("objective", "accuracy")})


def progress(**settings: Any) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    shown = Progress(Console(file=out, width=300), sweep(**settings))
    shown.study_opened("s", [])
    return shown, out


def test_a_study_that_goes_on_says_how_far_it_is() -> None:
    shown, out = progress(trials=5)
    shown.study_opened("s", [RECORD, replace(RECORD, number=1)])
    assert "resuming: 2 of 5 trials done" in out.getvalue()


def test_the_line_tells_each_fold_that_runs_and_the_mean_of_those_that_ended(
    dataset: Dataset, tmp_path: Path
) -> None:
    spec = replace(folded_trial(dataset, tmp_path), epochs=4)
    shown, _ = progress(trials=2, workers=2, folds=3)
    shown.trial_started(spec)
    report = EpochReport(2, 0.5, 0.5, 0.5, 0.625, 1e-3, 10.0)
    shown.epoch_ended(spec, report, 2)
    shown.epoch_ended(spec, report, 3)
    shown.fold_ended(spec, FoldResult(2, 0.75, 0.4, 8, (report,), 1, 40.0))
    status = shown._status()
    assert "trial 0: 1 of 3 folds done, mean 0.750; fold 3 epoch 2/4, val_accuracy 0.625" in status
    assert "fold 2 epoch" not in status
    assert "about 2 min left" in status  # 1.5 folds and another trial's 3 x 40 s, two at a time


def test_what_is_left_of_a_trial_that_takes_longer_than_those_before(
    dataset: Dataset, tmp_path: Path
) -> None:
    shown, _ = progress(trials=2, folds=3)
    shown.trial_ended(RECORD)  # 30 s
    shown.trial_started(replace(folded_trial(dataset, tmp_path), number=1))
    assert shown._status().endswith("about 30 s left")
    shown.fold_ended(
        replace(folded_trial(dataset, tmp_path), number=1),
        FoldResult(1, 0.75, 0.4, 8, (), 1, 600.0),
    )
    assert shown._status().endswith("about 20 min left")


def test_where_the_time_ends_first_the_line_says_so(dataset: Dataset, tmp_path: Path) -> None:
    spec = replace(folded_trial(dataset, tmp_path), epochs=4)
    shown, _ = progress(trials=20, folds=3, budget={"timeout": 600})
    shown.trial_started(spec)
    assert "timeout in 10 min" in shown._status()
    shown.epoch_ended(spec, EpochReport(1, 0.5, 0.5, 0.5, 0.625, 1e-3, 10.0), 1)
    assert shown._status().endswith("timeout in 10 min")  # and not: about 40 min left
    shown.epoch_ended(spec, EpochReport(2, 0.5, 0.5, 0.5, 0.625, 1e-3, 1.0), 1)
    assert shown._status().endswith("about 4 min left")


def test_a_trial_with_folds_ends_with_its_spread(dataset: Dataset, tmp_path: Path) -> None:
    shown, out = progress(trials=1, folds=3)
    shown.trial_started(folded_trial(dataset, tmp_path))
    values = (0.7, 0.8, 0.9)
    shown.trial_ended(replace(RECORD, folds=3, fold_accuracies=values, fold_values=values))
    assert "val_accuracy 0.800 ± 0.100 over 3 folds [" in out.getvalue()


@pytest.mark.parametrize("objective", ["macro_f1", "min_recall"])
def test_another_objective_stands_first_and_names_the_best(
    objective: str, dataset: Dataset, tmp_path: Path
) -> None:
    shown, out = progress(trials=3, objective=objective)
    spec = replace(folded_trial(dataset, tmp_path), epochs=4)
    shown.trial_started(spec)
    counts = ((3, 1), (0, 4))
    shown.epoch_ended(spec, EpochReport(2, 0.5, 0.5, 0.5, 0.875, 1e-3, 10.0, counts))
    value = {"macro_f1": "0.873", "min_recall": "0.750"}[objective]
    assert f"epoch 2/4, val_{objective} {value}" in shown._status()
    shown.trial_ended(replace(RECORD, value=0.7))
    shown.trial_ended(replace(RECORD, number=1, accuracy=0.9, value=0.6))
    first, second = out.getvalue().splitlines()[-2:]
    assert f"val_{objective} 0.700 [0.600, 0.900], n = 20, accuracy 0.800 [" in first
    assert "best so far" in first
    assert "best so far" not in second
    assert f"best val_{objective} 0.700 (trial 0)" in shown._status()


def test_by_loss_the_line_has_the_loss_once() -> None:
    shown, out = progress(trials=1, objective="loss")
    shown.trial_ended(replace(RECORD, value=0.5, low=None, high=None))
    line = out.getvalue().splitlines()[-1]
    assert "val_loss 0.500, accuracy 0.800 [" in line
    assert line.count("loss") == 1


def test_a_failed_trial_gives_its_reason_and_no_score() -> None:
    shown, out = progress(trials=1)
    lost = replace(RECORD, state="FAILED", value=None, accuracy=None, loss=None, reason="no memory")
    shown.trial_ended(lost)
    assert out.getvalue().rstrip().endswith("FAILED: no memory")


def test_the_epochs_are_those_of_the_trial(dataset: Dataset, tmp_path: Path) -> None:
    shown, _ = progress(trials=2)
    spec = replace(folded_trial(dataset, tmp_path), epochs=100)
    shown.trial_started(spec)
    shown.epoch_ended(spec, EpochReport(2, 0.5, 0.5, 0.5, 0.625, 1e-3, 9.0))
    assert "epoch 2/100, val_accuracy 0.625" in shown._status()
    assert shown._status().endswith("about 30 min left")  # 2 trials x 100 epochs x 9 s
