"""Models measured after their trials: once each, of the whole model, and what can go wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest

from mineralsweep.core.trial import Fold
from mineralsweep.data.dataset import Dataset
from mineralsweep.executors import (
    Doing,
    Epoch,
    Event,
    Failed,
    Finished,
    FoldedExecutor,
    FoldEnded,
    MeasuringExecutor,
    measuring,
)
from mineralsweep.search.task import examples
from mineralsweep.training.run import run_trial
from tests.examples import trial
from tests.fakes import FakeExecutor

COSTS = {"latency_ms": 3.0, "size_mb": 4.0}


class Pool:
    """Measures at once, in this process."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.folders: list[Path] = []

    def submit(self, function: Any, folder: Path, seen: Any) -> Future[Any]:
        self.folders.append(folder)
        future: Future[Any] = Future()
        if "broken" in str(folder):
            future.set_exception(ValueError("no such file"))
        else:
            future.set_result(COSTS)
        return future

    def shutdown(self, **named: Any) -> None: ...


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    one = Pool()
    monkeypatch.setattr(measuring, "ProcessPoolExecutor", lambda *_, **__: one)
    return one


def drain(executor: Any) -> list[Event]:
    events: list[Event] = []
    for _ in range(300):
        for event in executor.wait(1.0):
            events.append(event)
            if isinstance(event, Epoch):
                executor.answer(event.number, None, event.fold)
            if isinstance(event, FoldEnded):
                executor.answer(event.number, None, event.fold.fold)
        if isinstance(events[-1] if events else None, Finished | Failed):
            return events
    raise AssertionError(events)


def test_a_trial_is_told_with_what_its_model_costs(
    dataset: Dataset, tmp_path: Path, pool: Pool
) -> None:
    executor = MeasuringExecutor(FakeExecutor(), tmp_path)
    executor.submit(trial(dataset, tmp_path / "t", epochs=1))
    events = drain(executor)
    assert isinstance(events[-1], Finished)
    assert events[-1].result.costs == COSTS
    assert Doing(0, "measuring the compiled model") in events
    assert pool.folders == [tmp_path / "t"]


def test_of_folds_the_model_of_all_is_measured_once(
    dataset: Dataset, tmp_path: Path, pool: Pool
) -> None:
    folds = tuple(Fold(*rows) for rows in dataset.folds(3, 1))
    executor = MeasuringExecutor(FoldedExecutor(FakeExecutor(slots=2)), tmp_path)
    seen = examples(dataset, (80, 80), folds)
    executor.submit(trial(dataset, tmp_path / "t", epochs=1, examples=seen))
    finished = drain(executor)[-1]
    assert isinstance(finished, Finished)
    assert len(finished.result.folds) == 3
    assert pool.folders == [tmp_path / "t"]


def test_a_trial_that_fails_or_whose_model_can_not_be_measured(
    dataset: Dataset, tmp_path: Path, pool: Pool
) -> None:
    executor = MeasuringExecutor(FakeExecutor(lambda spec: "it broke"), tmp_path)
    executor.submit(trial(dataset, tmp_path / "t", epochs=1))
    assert isinstance(drain(executor)[-1], Failed)
    assert pool.folders == []
    executor = MeasuringExecutor(FakeExecutor(), tmp_path)
    executor.submit(trial(dataset, tmp_path / "broken", epochs=1))
    failed = drain(executor)[-1]
    assert isinstance(failed, Failed)
    assert "can't be measured: ValueError: no such file" in failed.reason


def _is_worker(process: psutil.Process) -> bool:
    return any("spawn_main" in word for word in process.cmdline())


@pytest.fixture
def real(tmp_path: Path) -> Iterator[MeasuringExecutor]:
    executor = MeasuringExecutor(FakeExecutor(), tmp_path / "logs")
    yield executor
    executor.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_one_process_measures_and_another_takes_its_place(
    dataset: Dataset, tmp_path: Path, real: MeasuringExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trial(dataset, tmp_path / "t", architecture="colour_texture", epochs=1)
    run_trial(trained, lambda epoch: None)
    monkeypatch.setattr("tests.fakes.write_dummy_network", lambda folder: None)
    for killed in (False, True, False):
        real.submit(trained)
        if killed:
            [measurer] = [one for one in psutil.Process().children() if _is_worker(one)]
            os.kill(measurer.pid, signal.SIGKILL)
        last = drain(real)[-1]
        if killed:
            assert isinstance(last, Failed)
            assert last.fault == "crash"  # which the loop tries again
        else:
            assert isinstance(last, Finished)
            assert last.result.costs.keys() == COSTS.keys()
    assert (tmp_path / "logs" / measuring.LOG).exists()
