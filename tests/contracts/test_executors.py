"""Every executor keeps the contract of `Executor`; the fake one of the tests too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mineralsweep.data.dataset import Dataset
from mineralsweep.executors import (
    EXECUTORS,
    Doing,
    Epoch,
    Event,
    Executor,
    Failed,
    Finished,
    FoldedExecutor,
)
from mineralsweep.executors import local as local_module
from mineralsweep.executors.limits import Limits
from tests.examples import trial
from tests.fakes import FakeExecutor

pytestmark = pytest.mark.slow
KINDS = [*sorted(EXECUTORS), "fake", "folded"]


def made(kind: str, folder: Path) -> Executor:
    if kind in ("fake", "folded"):
        fake = FakeExecutor(lambda spec: 0.5 if spec.epochs else "no epochs", slots=2)
        return fake if kind == "fake" else FoldedExecutor(fake)
    return EXECUTORS[kind](2, folder / "logs")


@pytest.fixture(scope="module", params=KINDS)
def executor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Executor]:
    """Give an executor of each kind, for all tests that leave it as it was."""
    one = made(request.param, tmp_path_factory.mktemp("executor"))
    yield one
    one.close()


def drain(executor: Executor, until: int, answer: Any = lambda event: None) -> list[Event]:
    """Collect events until so many trials have ended; fail after two minutes."""
    events: list[Event] = []
    deadline = time.monotonic() + 120
    while sum(isinstance(event, Finished | Failed) for event in events) < until:
        assert time.monotonic() < deadline, events
        for event in executor.wait(1.0):
            events.append(event)
            if isinstance(event, Epoch):
                executor.answer(event.number, answer(event))
    return events


def test_trials_report_each_epoch_and_finish(
    executor: Executor, dataset: Dataset, tmp_path: Path
) -> None:
    assert executor.free() == 2
    for number in (0, 1):
        executor.submit(trial(dataset, tmp_path / str(number), number=number))
    assert executor.free() == 0
    with pytest.raises(RuntimeError, match="every worker is busy"):
        executor.submit(trial(dataset, tmp_path / "x", number=2))
    events = drain(executor, until=2)
    assert executor.free() == 2
    for number in (0, 1):
        mine = [event for event in events if event.number == number]
        assert [event.report.epoch for event in mine if isinstance(event, Epoch)] == [1, 2]
        assert isinstance(mine[-1], Finished)
        assert len(mine[-1].result.probabilities) == 6
        assert (tmp_path / str(number) / "network.keras").is_file()


def test_an_answer_stops_a_trial(executor: Executor, dataset: Dataset, tmp_path: Path) -> None:
    executor.submit(trial(dataset, tmp_path / "m", epochs=20))
    events = drain(executor, 1, lambda event: "enough" if event.report.epoch == 2 else None)
    assert isinstance(events[-1], Finished)
    assert events[-1].result.stop_reason == "enough"
    assert events[-1].result.pruned
    assert len(events) == 3


def test_waiting_for_nothing_answers_nothing(executor: Executor) -> None:
    assert executor.wait(0.01) == []


@pytest.mark.parametrize("kind", KINDS)
def test_closing_twice_is_no_harm(kind: str, tmp_path: Path) -> None:
    executor = made(kind, tmp_path)
    executor.close()
    executor.close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Any]:
    one = local_module.LocalExecutor(1, tmp_path / "logs")
    yield one
    one.close()


def test_an_exception_fails_its_trial_and_the_worker_goes_on(
    local: Any, dataset: Dataset, tmp_path: Path
) -> None:
    local.submit(trial(dataset, tmp_path / "bad", optimizer="sgd", learning_rate=10.0, epochs=20))
    [*_, failed] = drain(local, 1)
    assert isinstance(failed, Failed)
    assert "loss became" in failed.reason
    local.submit(trial(dataset, tmp_path / "good", number=1))
    assert isinstance(drain(local, 1)[-1], Finished)


def test_a_worker_that_dies_costs_one_trial(local: Any, dataset: Dataset, tmp_path: Path) -> None:
    local.submit(trial(dataset, tmp_path / "m", epochs=500))

    def kill(event: Epoch) -> None:
        if event.report.epoch == 2:
            os.kill(local._workers[0].process.pid, signal.SIGKILL)

    [*_, failed] = drain(local, 1, kill)
    assert isinstance(failed, Failed)
    assert failed.reason == "the worker process died: signal SIGKILL"
    assert failed.fault == "crash"
    local.submit(trial(dataset, tmp_path / "next", number=1))
    assert isinstance(drain(local, 1)[-1], Finished)


def test_a_trial_that_takes_too_long_is_ended(local: Any, dataset: Dataset, tmp_path: Path) -> None:
    local._limits = Limits(trial=12.0)
    local.submit(trial(dataset, tmp_path / "m", epochs=10_000))
    [*_, failed] = drain(local, 1)
    assert isinstance(failed, Failed)
    assert failed.fault == "timeout"
    assert failed.reason == "not done after 12 s, the limit: faults.trial_timeout"
    assert local.free() == 1


def test_a_worker_ends_with_its_driver(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from mineralsweep.executors import LocalExecutor\n"
        "import os, signal, time\n"
        "if __name__ == '__main__':\n"
        "    made = LocalExecutor(1, Path('logs'))\n"
        "    print(made._workers[0].process.pid, flush=True)\n"
        "    time.sleep(8)\n"  # the worker is up, and watches
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "driver.py").write_text(code)
    driver = subprocess.run(
        [sys.executable, "driver.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert driver.returncode == -signal.SIGKILL
    worker = int(driver.stdout)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != "zombie":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_worker_that_died_idle_costs_nothing(
    local: Any, dataset: Dataset, tmp_path: Path
) -> None:
    local._workers[0].process.kill()
    local._workers[0].process.join()
    local.submit(trial(dataset, tmp_path / "m", epochs=1))
    assert isinstance(drain(local, 1)[-1], Finished)


def test_a_worker_is_replaced_after_its_share_of_trials(
    local: Any, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "TRIALS_A_WORKER", 1)
    first = local._workers[0].process.pid
    local.submit(trial(dataset, tmp_path / "m", epochs=1))
    drain(local, 1)
    assert local._workers[0].process.pid != first
    assert not psutil.pid_exists(first)


def test_closing_ends_every_process(local: Any) -> None:
    pids = [one.process.pid for one in local._workers]
    local.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_trial_says_what_it_does_before_its_first_epoch(
    local: Any, dataset: Dataset, tmp_path: Path
) -> None:
    from mineralsweep.search.task import examples

    size = (32, 32)
    local.submit(
        trial(
            dataset, tmp_path / "m", architecture="vgg16", views=2, epochs=1, image_size=size,
            examples=examples(dataset, size),
        )
    )  # fmt: skip
    events = drain(local, 1)
    said = [event.words for event in events if isinstance(event, Doing)]
    assert said == [
        "frozen trunk, 24 images, view 1 of 1",  # for the head's start and for validation
        "frozen trunk, 18 images, view 1 of 2",
        "frozen trunk, 18 images, view 2 of 2",
    ]
    assert isinstance(events[len(said)], Epoch)
