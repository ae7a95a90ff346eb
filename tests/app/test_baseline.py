"""The baseline: fitted once a study, beside the search, and compared in plain words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.app import baseline
from mineralsweep.config import Sweep, build
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import Paired, compare
from mineralsweep.evaluation.paired import Permuted
from mineralsweep.report import leaderboard, standing, verdict
from mineralsweep.tracking import SweepRun, open_store
from tests.fakes import FakeExecutor

pytestmark = pytest.mark.usefixtures("store_made")


class Notes:
    """The part of an engine that the baseline uses."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def notes(self) -> dict[str, str]:
        return dict(self.kept)

    def set_note(self, key: str, value: str) -> None:
        self.kept[key] = value


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


class Bench:
    """A study's surroundings with an executor that trains nothing."""

    def __init__(self, dataset: Dataset, script: Any = lambda spec: 0.5, **changes: Any) -> None:
        self.sweep, self.dataset, self.engine = sweep(**changes), dataset, Notes()
        self.executor, self.lines = FakeExecutor(script), []  # type: ignore[var-annotated]
        self.store = open_store()
        self.run = SweepRun(self.store, "s", self.sweep, dataset)

    def ensure(self) -> TrialRecord | None:
        return baseline.ensure(
            self.sweep, self.dataset, self.engine, self.executor, self.run,  # type: ignore[arg-type]
            Path("scratch/baseline"), self.lines.append,
        )  # fmt: skip

    def runs(self) -> list[Any]:
        kind = "tags.`mineralsweep.kind` = 'baseline'"
        return list(self.store.client.search_runs([self.store.experiment_id], kind))


def test_it_is_the_default_estimator_on_the_trials_images_and_runs_once(dataset: Dataset) -> None:
    bench = Bench(dataset, seed=3)
    found = bench.ensure()
    assert found is not None
    assert (found.number, found.state, found.value) == (BASELINE, "COMPLETE", 0.5)
    [spec] = bench.executor.specs
    assert (spec.architecture, spec.image_size, spec.seed) == ("colour_texture", (80, 80), 3)
    assert spec.examples.validation == dataset.split.validation
    [run] = bench.runs()
    assert run.info.status == "FINISHED"
    assert run.info.run_id == found.run_id
    assert bench.lines == [
        "Baseline, colour_texture: val_accuracy 0.500 [0.188, 0.812], n = 6, loss 1.263; 0 s"
    ]
    assert bench.ensure() == found
    assert len(bench.executor.specs) == 1


def test_a_study_taken_up_finds_its_run_as_it_was(dataset: Dataset) -> None:
    bench = Bench(dataset)
    found = bench.ensure()
    told = {BASELINE} if baseline.noted(bench.engine) else set()  # type: ignore[arg-type]
    again = SweepRun(bench.store, "s", bench.sweep, dataset, bench.run.run_id, told)
    [located] = again.located([found])  # type: ignore[list-item]
    assert located == found
    assert bench.runs()[0].info.status == "FINISHED"


def test_none_wants_none(dataset: Dataset) -> None:
    bench = Bench(dataset, baseline="none")
    assert bench.ensure() is None
    assert bench.runs() == []


def test_its_failure_is_told_and_costs_no_sweep(dataset: Dataset) -> None:
    bench = Bench(dataset, lambda spec: "no memory")
    assert bench.ensure() is None
    assert bench.lines == ["Baseline: failed: no memory; the sweep goes on without it"]
    assert bench.runs()[0].info.status == "FAILED"
    assert bench.engine.kept == {}  # tried again at the next start


def test_it_is_compared_over_the_same_folds(dataset: Dataset) -> None:
    from mineralsweep.executors import FoldedExecutor

    bench = Bench(dataset, folds=2)
    bench.executor = FoldedExecutor(bench.executor)  # type: ignore[assignment]
    found = bench.ensure()
    assert found is not None
    assert (found.folds, len(found.fold_accuracies)) == (2, 2)
    assert found.n == len(dataset.pool())


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
