"""What a person sees while trials with folds run."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from mineralsweep.cli.progress import Progress
from mineralsweep.core.record import TrialRecord
from mineralsweep.core.trial import EpochReport, FoldResult
from mineralsweep.data.dataset import Dataset
from tests.executors.test_folded import folded_trial


def test_the_line_tells_each_fold_that_runs_and_the_mean_of_those_that_ended(
    dataset: Dataset, tmp_path: Path
) -> None:
    spec = folded_trial(dataset, tmp_path)
    shown = Progress(Console(file=io.StringIO()), epochs=4, trials=2, workers=2, fits=3)
    shown.study_opened("s", [])
    shown.trial_started(spec)
    report = EpochReport(2, 0.5, 0.5, 0.5, 0.625, 1e-3, 10.0)
    shown.epoch_ended(spec, report, 2)
    shown.epoch_ended(spec, report, 3)
    shown.fold_ended(spec, FoldResult(2, 0.75, 0.4, 8, (report,), 1, 5.0))
    status = shown._status()
    assert "trial 0: 1 of 3 folds done, mean 0.750; fold 3 epoch 2/4, val_accuracy 0.625" in status
    assert "fold 2 epoch" not in status
    assert "about 2 min left" in status  # 2 trials x 3 folds x 4 epochs x 10 s, two at a time


def test_where_the_time_ends_first_the_line_says_so(dataset: Dataset, tmp_path: Path) -> None:
    spec = folded_trial(dataset, tmp_path)
    shown = Progress(Console(file=io.StringIO()), 4, trials=20, workers=1, fits=3, timeout=600)
    shown.study_opened("s", [])
    shown.trial_started(spec)
    assert "time is up in 10 min" in shown._status()
    shown.epoch_ended(spec, EpochReport(1, 0.5, 0.5, 0.5, 0.625, 1e-3, 10.0), 1)
    assert shown._status().endswith("time is up in 10 min")  # and not: about 40 min left
    shown.epoch_ended(spec, EpochReport(2, 0.5, 0.5, 0.5, 0.625, 1e-3, 1.0), 1)
    assert shown._status().endswith("about 4 min left")


def test_a_trial_with_folds_ends_with_its_spread(dataset: Dataset, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=300)
    shown = Progress(console, epochs=4, trials=1, workers=1, fits=3)
    shown.study_opened("s", [])
    spec = folded_trial(dataset, tmp_path)
    shown.trial_started(spec)
    record = TrialRecord(
        0, "COMPLETE", {"architecture": "model2"}, 0.8, 0.8, 0.5, 24, 3, "", None, "", 30.0,
        spread=0.1, folds=3, fold_accuracies=(0.7, 0.8, 0.9),
    )  # fmt: skip
    shown.trial_ended(record)
    assert "val_accuracy 0.800 ± 0.100 over 3 folds [" in console.file.getvalue()  # type: ignore[attr-defined]
