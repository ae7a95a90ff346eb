"""The loop: budgets, failures, pruning, time, and what MLflow holds at the end."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.config import Sweep, build
from mineralsweep.core.record import TrialRecord, champion, ranked
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines import ENGINES
from mineralsweep.engines.engine import Proposal
from mineralsweep.errors import RunError, SweepFailed
from mineralsweep.evaluation import wilson
from mineralsweep.search.recovery import recover
from mineralsweep.search.state import State, exists
from mineralsweep.search.study import Study
from mineralsweep.search.task import Task
from mineralsweep.tracking import Outbox, Store, StudyRun, open_store
from mineralsweep.tracking.study_run import sweep_params
from mineralsweep.training import checkpoint
from tests.fakes import FakeExecutor, Watcher, by_learning_rate

pytestmark = pytest.mark.usefixtures("store_made")


def settings(**budget: Any) -> Sweep:
    return build(
        {
            "question": "Does the loop hold?",
            "image_size": 96,
            "space": {
                "architecture": ["model2", "model2_1"],
                "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
                "dropout": {"low": 0.0, "high": 0.5},
            },
            "budget": {"trials": 6, "epochs": 3, **budget},
            "engine": {"pruner": "none"},
            "baseline": "none",
        },
        "test",
    )


class Scene:
    """A study with a fake executor and a real engine and tracking store."""

    def __init__(self, dataset: Dataset, sweep: Sweep, executor: FakeExecutor) -> None:
        self.executor, self.watcher = executor, Watcher()
        self.state = State.read("s") if exists("s") else State("s", "sweep", {})
        self.engine = ENGINES[sweep.engine.name](sweep, "s", self.state.folder, None)
        self.store: Store = open_store()
        self.outbox = Outbox(self.state.folder / "outbox")
        recover(self.outbox, self.engine, self.state)
        task = Task(sweep, dataset)
        self.run = StudyRun(self.store, "s", "sweep", task.divided, self.state.run_id)
        if self.state.run_id:
            told = {record.number for record in self.engine.records()}
            self.run.go_on(told, [entry.card.token for entry in self.outbox.left()])
        self.run.describe_study(sweep_params(sweep, dataset))
        self.state.run_id = self.run.run_id
        self.state.save()
        self.study = Study(
            task, self.engine, executor, self.state, self.outbox, self.run, self.watcher
        )

    def children(self) -> list[Any]:
        found = self.store.client.search_runs(
            [self.store.experiment_id], f"tags.`mlflow.parentRunId` = '{self.run.run_id}'"
        )
        return sorted(found, key=lambda run: int(run.data.tags["mineralsweep.trial"]))


def test_the_budget_is_spent_and_every_trial_has_its_run(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(), FakeExecutor(slots=2))
    records = scene.run.located(scene.study.run())
    assert [record.number for record in records] == list(range(6))
    assert [record.number for record in scene.watcher.ended] == [
        spec.number for spec in scene.executor.specs
    ]
    for record, run in zip(records, scene.children(), strict=True):
        assert run.info.run_id == record.run_id
        assert run.info.status == "FINISHED"
        tags = run.data.tags
        assert tags["mineralsweep.state"] == "COMPLETE"
        assert tags["mineralsweep.study"] == "s"
        assert tags["mineralsweep.trial"] == str(record.number)
        assert float(run.data.params["learning_rate"]) == record.params["learning_rate"]
        assert run.data.metrics["best_val_accuracy"] == record.accuracy
    assert scene.outbox.left() == []


def test_images_that_belong_together_widen_the_intervals(dataset: Dataset) -> None:
    for groups in (dataset.groups, (0,) * len(dataset.groups)):
        of_one = replace(dataset, groups=groups)
        scene = Scene(of_one, settings(trials=1), FakeExecutor(lambda _: 1.0))
        [record] = scene.study.run()
        n = len(dataset.split.validation)
        share = 1.0 if groups is dataset.groups else 1 / n
        assert (record.n, record.independent) == (n, share)
        expected = wilson(n, n, share)
        assert record.interval() == record.score() == expected
        shutil.rmtree(scene.state.folder)


def test_each_epoch_is_one_step(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=1), FakeExecutor())
    [record] = scene.run.located(scene.study.run())
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate",
                 "epoch_seconds"):  # fmt: skip
        history = scene.store.client.get_metric_history(record.run_id, name)
        assert [metric.step for metric in history] == [1, 2, 3]
    assert scene.watcher.epochs == [(0, 1), (0, 2), (0, 3)]


def test_a_failed_trial_is_not_a_broken_sweep_and_gets_no_score(dataset: Dataset) -> None:
    def script(spec: Any) -> float | str:
        return "out of luck" if spec.number == 1 else by_learning_rate(spec)

    scene = Scene(dataset, settings(), FakeExecutor(script))
    records = scene.study.run()
    assert [record.state for record in records].count("FAILED") == 1
    assert records[1].value is records[1].accuracy is None
    run = scene.children()[1]
    assert run.info.status == "FAILED"
    assert run.data.tags["mineralsweep.reason"] == "out of luck"
    log = scene.store.client.download_artifacts(run.info.run_id, "worker.log")
    assert "last words" in Path(log).read_text()
    assert "best_val_accuracy" not in run.data.metrics


def test_failures_in_a_row_stop_the_sweep_with_their_causes(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=20), FakeExecutor(lambda spec: "no memory"))
    with pytest.raises(SweepFailed, match=r"3 failed trials in a row: no memory \(3x\)"):
        scene.study.run()
    assert len(scene.executor.specs) == 3


class Unlucky:
    """A script whose trial 1 fails so many times, then goes well."""

    def __init__(self, fault: str, times: int) -> None:
        self.fault, self.left = fault, times

    def __call__(self, spec: Any) -> Any:
        if spec.number == 1 and self.left:
            self.left -= 1
            return "bad luck", self.fault
        return by_learning_rate(spec)


@pytest.mark.parametrize(("fault", "batch"), [("crash", 16), ("memory", 8)])
def test_a_fault_that_may_pass_is_tried_again(dataset: Dataset, fault: str, batch: int) -> None:
    scene = Scene(dataset, with_batch(settings(trials=3)), FakeExecutor(Unlucky(fault, 1)))
    records = scene.study.run()
    assert [record.state for record in records] == ["COMPLETE"] * 3
    assert [spec.batch_size for spec in scene.executor.specs if spec.number == 1] == [16, batch]
    assert scene.watcher.retried == [(1, "bad luck")]
    first, second = (
        run for run in reversed(scene.children()) if run.data.tags["mineralsweep.trial"] == "1"
    )
    if first.info.status != "FAILED":
        first, second = second, first
    assert [first.info.status, second.info.status] == ["FAILED", "FINISHED"]
    assert first.data.tags["mineralsweep.reason"] == "bad luck"
    assert second.data.tags["mineralsweep.attempt"] == "2"
    assert second.info.run_name.endswith("(attempt 2)")
    assert second.data.params["batch_size"] == str(batch)
    log = scene.store.client.download_artifacts(first.info.run_id, "worker.log")
    assert "last words" in Path(log).read_text()


def test_a_crash_goes_on_from_the_checkpoint_in_the_same_run(dataset: Dataset) -> None:
    unlucky = Unlucky("crash", 1)

    def with_a_state(spec: TrialSpec) -> Any:
        assert spec.checkpoint is not None
        spec.checkpoint.mkdir(parents=True, exist_ok=True)
        (spec.checkpoint / checkpoint.STATE).write_text("half way")
        return unlucky(spec)

    scene = Scene(dataset, settings(trials=3), FakeExecutor(with_a_state))
    records = scene.study.run()
    assert [record.state for record in records] == ["COMPLETE"] * 3
    first, second = (spec for spec in scene.executor.specs if spec.number == 1)
    assert (first.folder, first.checkpoint) == (second.folder, second.checkpoint)
    [run] = [run for run in scene.children() if run.data.tags["mineralsweep.trial"] == "1"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["mineralsweep.reason"] == ""
    history = scene.store.client.get_metric_history(run.info.run_id, "val_loss")
    assert [one.step for one in history] == sorted({one.step for one in history})


def with_batch(sweep: Sweep) -> Sweep:
    return sweep.model_copy(
        update={
            "space": type(sweep.space).model_validate({**sweep.space.entries(), "batch_size": 16})
        }
    )


@pytest.mark.parametrize(
    ("fault", "times", "tries"), [("crash", 9, 2), ("error", 9, 1), ("timeout", 9, 1)]
)
def test_other_faults_and_spent_retries_fail_the_trial(
    dataset: Dataset, fault: str, times: int, tries: int
) -> None:
    scene = Scene(dataset, settings(trials=3), FakeExecutor(Unlucky(fault, times)))
    records = scene.study.run()
    assert [record.state for record in records] == ["COMPLETE", "FAILED", "COMPLETE"]
    assert len([spec for spec in scene.executor.specs if spec.number == 1]) == tries


def test_a_full_disk_stops_the_sweep_and_costs_no_trial(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=3), FakeExecutor(Unlucky("disk", 1)))
    with pytest.raises(RunError, match="trial 1: bad luck; make room on the disk"):
        scene.study.run()
    assert [run.info.status for run in scene.children()] == ["FINISHED", "FAILED"]
    again = Scene(dataset, settings(trials=3), FakeExecutor())
    assert [record.state for record in again.study.run()] == ["COMPLETE"] * 3
    assert again.executor.specs[0].learning_rate == scene.executor.specs[1].learning_rate


def test_the_failures_in_a_row_are_the_files_to_choose(dataset: Dataset) -> None:
    sweep = settings(trials=20)
    faults = sweep.faults.model_copy(update={"max_consecutive_failures": 5})
    sweep = sweep.model_copy(update={"faults": faults})
    scene = Scene(dataset, sweep, FakeExecutor(lambda spec: "no memory"))
    with pytest.raises(SweepFailed, match="5 failed trials in a row"):
        scene.study.run()


def test_a_retry_is_not_judged_before_it_is_past_its_first_try(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=1), FakeExecutor())
    proposal = scene.engine.ask()
    assert proposal is not None
    for epoch in (1, 2, 1, 2, 3):
        assert scene.engine.report(proposal.number, epoch, 0.5) is None


def test_no_complete_trial_is_a_failure(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=2), FakeExecutor(lambda spec: "no memory"))
    with pytest.raises(SweepFailed, match="no trial was completed: no memory"):
        scene.study.run()


def test_a_pruned_trial_ends_killed_with_its_reason_and_its_model(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=2), FakeExecutor())
    answers = iter([None, None, None, "too low"])
    scene.engine.report = lambda number, epoch, value: next(answers)  # type: ignore[method-assign]
    records = scene.run.located(scene.study.run())
    assert [record.state for record in records] == ["COMPLETE", "PRUNED"]
    assert records[1].model_id is not None
    run = scene.children()[1]
    assert run.info.status == "KILLED"
    assert run.data.tags["mineralsweep.reason"] == "too low"


def test_when_time_is_up_running_trials_stop_and_none_is_started(dataset: Dataset) -> None:
    def slow(spec: Any) -> float:
        time.sleep(0.2)
        return 0.5

    scene = Scene(dataset, settings(trials=50, epochs=100, timeout=0.5), FakeExecutor(slow))
    records = scene.study.run()
    assert len(records) < 10
    assert records[-1].reason == "the sweep's time is up"
    assert records[-1].state == "COMPLETE"  # the clock says nothing against it


def test_a_study_is_taken_up_where_it_was(dataset: Dataset) -> None:
    first = Scene(dataset, settings(trials=2), FakeExecutor())
    first.study.run()
    second = Scene(dataset, settings(trials=5), FakeExecutor())
    records = second.study.run()
    assert second.run.run_id == first.run.run_id
    assert len(records) == 5
    assert len(second.executor.specs) == 3
    assert len(second.children()) == 5


def test_an_interrupt_ends_the_runs_and_the_trial_comes_back(dataset: Dataset) -> None:
    def interrupt(spec: Any) -> float:
        if spec.number == 1:
            raise KeyboardInterrupt
        return 0.5

    scene = Scene(dataset, settings(trials=3), FakeExecutor(interrupt))
    with pytest.raises(KeyboardInterrupt):
        scene.study.run()
    assert [run.info.status for run in scene.children()] == ["FINISHED", "FAILED"]
    again = Scene(dataset, settings(trials=3), FakeExecutor())
    assert len(again.study.run()) == 3
    assert again.executor.specs[0].learning_rate == scene.executor.specs[1].learning_rate


def test_runs_left_running_by_a_dead_driver_are_ended(dataset: Dataset) -> None:
    def die(spec: Any) -> float:
        raise SystemExit  # as a killed process would, but for the run

    scene = Scene(dataset, settings(trials=2), FakeExecutor(die))
    scene.study._abandon = lambda reason: scene.study._courier.close(30)  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        scene.study.run()
    assert [run.info.status for run in scene.children()] == ["RUNNING"]
    again = Scene(dataset, settings(trials=2), FakeExecutor())
    again.study.run()
    assert sorted(run.info.status for run in again.children()) == ["FAILED", "FINISHED", "FINISHED"]


def test_the_test_split_cannot_be_reached_from_a_trial(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=1), FakeExecutor())
    scene.study.run()
    seen = scene.executor.specs[0].examples
    assert set(seen.train) | set(seen.validation) == set(range(30)) - set(dataset.split.test)


def made(number: int, state: Any, value: float | None, loss: float | None) -> TrialRecord:
    return TrialRecord(number, state, {}, value, value, loss, 10, 1, "r", "m", "", 1.0)


def test_ranking_goes_by_state_then_value_then_loss() -> None:
    records = [
        made(0, "FAILED", None, None),
        made(1, "PRUNED", 0.99, 0.01),
        made(2, "COMPLETE", 0.8, 0.5),
        made(3, "COMPLETE", 0.8, 0.4),
        made(4, "COMPLETE", 0.7, 0.1),
    ]
    assert [record.number for record in ranked(records, "accuracy")] == [3, 2, 4, 1, 0]
    best = champion(records, "accuracy")
    assert best is not None
    assert best.number == 3
    assert champion(records[:2], "accuracy") is None


def test_by_loss_the_lowest_is_best() -> None:
    records = [made(0, "COMPLETE", 0.5, 0.5), made(1, "COMPLETE", 0.3, 0.3)]
    assert [record.number for record in ranked(records, "loss")] == [1, 0]


class Rungs:
    """An engine's `ask` for one trial of one epoch, then for three epochs of the same."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._left = [
            Proposal(0, params, 1, keeps_state=True),
            Proposal(1, params, 3, continues=0),
        ]

    def __call__(self) -> Proposal | None:
        return self._left.pop(0) if self._left else None


def test_a_trial_of_a_later_rung_starts_from_the_earlier_ones_weights(dataset: Dataset) -> None:
    def leave_a_state(spec: TrialSpec) -> float:
        assert spec.checkpoint is not None
        spec.checkpoint.mkdir(parents=True, exist_ok=True)
        (spec.checkpoint / checkpoint.STATE).write_text(f"of trial {spec.number}")
        return 0.5

    scene = Scene(dataset, settings(trials=2), FakeExecutor(leave_a_state))
    params = {"architecture": "model2", "learning_rate": 1e-3}
    scene.engine.ask = Rungs(params)  # type: ignore[method-assign]
    scene.engine.tell = scene.engine.report = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(SweepFailed):  # the real engine heard of no trial
        scene.study.run()
    first, second = scene.executor.specs
    assert (first.epochs, first.initial) == (1, None)
    assert second.epochs == 3
    assert second.initial is not None
    assert (second.initial / checkpoint.STATE).read_text() == "of trial 0"
    Outbox(scene.outbox.folder).left()  # the next driver looks through the outbox
    assert (second.initial / checkpoint.STATE).exists()
