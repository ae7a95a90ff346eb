"""Writing beside the training: order, errors, and that nothing waits that need not."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.config import Sweep
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.engine import TrialRecord
from mineralsweep.study import Study
from mineralsweep.tracking import SweepRun, Writer
from mineralsweep.tracking.sweep_run import UNTOLD
from tests.fakes import FakeExecutor, by_learning_rate
from tests.test_study import Scene, settings


def test_jobs_are_done_in_order_in_another_thread() -> None:
    writer, done = Writer(), []
    threads = set()

    def job(number: int) -> int:
        time.sleep(0.01 * (number == 0))
        threads.add(threading.current_thread())
        done.append(number)
        return number

    futures = [writer.do(lambda number=number: job(number)) for number in range(5)]
    writer.flush()
    assert done == [future.result() for future in futures] == list(range(5))
    assert threads.isdisjoint({threading.current_thread()})
    writer.close()


def test_after_an_error_nothing_more_is_done_and_the_first_is_told() -> None:
    writer, done = Writer(), []

    def fail() -> None:
        raise OSError("the store is gone")

    hold = threading.Event()
    writer.do(hold.wait)
    writer.do(fail)
    later = writer.do(lambda: done.append(1))
    hold.set()
    with pytest.raises(OSError, match="the store is gone"):
        writer.flush()
    with pytest.raises(OSError, match="the store is gone"):
        later.result()
    with pytest.raises(OSError, match="the store is gone"):
        writer.do(lambda: done.append(2))
    assert done == []
    writer.close()


class Slow:
    """Stands before a `SweepRun`: its trials' runs take their time to write."""

    def __init__(self, run: SweepRun, seconds: float, log: list[Any]) -> None:
        self._run, self._seconds, self._log = run, seconds, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def start_trial(self, spec: Any, attempt: int = 1) -> Any:
        trial, seconds, log = self._run.start_trial(spec, attempt), self._seconds, self._log
        real_epoch, real_finish = trial.epoch, trial.finish

        def epoch(report: Any) -> None:
            time.sleep(seconds)
            log.append(("written", spec.number, report.epoch))
            real_epoch(report)

        def finish(*given: Any) -> str:
            time.sleep(seconds)
            log.append(("finished", spec.number))
            return real_finish(*given)

        trial.epoch, trial.finish = epoch, finish  # type: ignore[method-assign]
        return trial


def slow_scene(dataset: Dataset, sweep: Sweep, seconds: float, log: list[Any]) -> Scene:
    scene = Scene(dataset, sweep, FakeExecutor())
    run: Any = Slow(scene.run, seconds, log)
    scene.study = Study(
        sweep, dataset, scene.engine, scene.executor, run, Path("scratch"), scene.watcher
    )
    return scene


def test_a_report_is_answered_before_it_is_written(dataset: Dataset) -> None:
    log: list[Any] = []
    scene = slow_scene(dataset, settings(trials=1), 0.2, log)
    scene.watcher.epoch_ended = lambda spec, report: log.append(("answered", report.epoch))  # type: ignore[method-assign]
    scene.study.run()
    assert log[:3] == [("answered", 1), ("answered", 2), ("answered", 3)]
    assert log[3:] == [("written", 0, 1), ("written", 0, 2), ("written", 0, 3), ("finished", 0)]


def test_the_next_trial_starts_before_the_last_one_is_written(dataset: Dataset) -> None:
    log: list[Any] = []
    scene = slow_scene(dataset, settings(trials=3), 0.1, log)
    scene.watcher.trial_started = lambda spec: log.append(("started", spec.number))  # type: ignore[method-assign]
    records = scene.study.run()
    assert len(records) == 3
    assert log.index(("started", 1)) < log.index(("finished", 0))
    assert log.index(("finished", 0)) < log.index(("finished", 1)) < log.index(("finished", 2))


@pytest.mark.parametrize("pruner", ["none", "median"])
def test_the_same_trials_are_tried_however_long_writing_takes(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pruner: str
) -> None:
    tried, ended = [], []
    for i, seconds in enumerate((0.0, 0.03)):
        folder = tmp_path / f"run-{i}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        sweep = settings(trials=9)
        engine = sweep.engine.model_copy(update={"pruner": pruner, "startup_trials": 3})
        scene = slow_scene(dataset, sweep.model_copy(update={"engine": engine}), seconds, [])
        records = scene.study.run()
        tried.append([dict(spec.params()) for spec in scene.executor.specs])
        ended.append([(record.state, record.reason) for record in records])
    assert tried[0] == tried[1]
    assert ended[0] == ended[1]


def test_an_error_while_writing_ends_the_sweep_and_its_runs(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=4), FakeExecutor())
    real = scene.run.start_trial

    def start(spec: Any, attempt: int) -> Any:
        trial = real(spec, attempt)
        if spec.number == 1:

            def refuse(*given: Any) -> None:
                raise OSError("no space left on device")

            trial.finish = refuse  # type: ignore[assignment, method-assign]
        return trial

    scene.run.start_trial = start  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no space left"):
        scene.study.run()
    assert [record.number for record in scene.engine.records()] == [0]
    again = Scene(dataset, settings(trials=4), FakeExecutor())
    assert len(again.study.run()) == 4
    assert "RUNNING" not in {run.info.status for run in again.children()}


def test_a_trial_that_was_written_but_not_told_is_run_again_and_stands_once(
    dataset: Dataset,
) -> None:
    scene = Scene(dataset, settings(trials=3), FakeExecutor(by_learning_rate))

    def die(record: TrialRecord) -> None:
        raise SystemExit  # as a killed process would, between writing and telling

    scene.engine.tell = die  # type: ignore[method-assign]
    scene.study._abandon = lambda reason: None  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        scene.study.run()
    again = Scene(dataset, settings(trials=3), FakeExecutor())
    records = again.study.run()
    assert len(records) == 3
    assert again.executor.specs[0].learning_rate == scene.executor.specs[0].learning_rate
    whole = [run for run in again.children() if run.info.status == "FINISHED"]
    assert {run.info.run_id for run in whole} == {record.run_id for record in records}
    reasons = {run.data.tags.get("mineralsweep.reason") for run in again.children()}
    assert UNTOLD in reasons
