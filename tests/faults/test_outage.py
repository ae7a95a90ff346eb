"""MLflow's server is away in the midst of a sweep: nothing is lost, and nothing stands twice.

MINERALSWEEP_OUTAGE_SECONDS says how long each of the outages lasts (5 without it), and
MINERALSWEEP_OUTAGES how many there are (1); `make faults` makes it 60 seconds, three times.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.config import Sweep
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import StoreAway
from tests.fakes import FakeExecutor, by_learning_rate
from tests.search.test_study import Scene, settings
from tests.server.services import BIN, _wait_for, free_port
from tests.tracking.test_courier import expect_whole, short_of_patience

SECONDS = float(os.environ.get("MINERALSWEEP_OUTAGE_SECONDS", "5"))
OUTAGES = int(os.environ.get("MINERALSWEEP_OUTAGES", "1"))
BETWEEN = 4.0
EPOCH_SECONDS = 0.5
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + OUTAGES * (SECONDS + BETWEEN) * 4)]


class Server:
    """An MLflow server on a port and a store that stay the same when it is started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ}
        environment.pop("MLFLOW_TRACKING_URI", None)
        log = self._folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(self._port),
                 "--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db",
                 "--artifacts-destination", str(self._folder / "artifacts")],
                env=environment, stdout=output, stderr=output, cwd=self._folder,
                start_new_session=True,
            )  # fmt: skip
        _wait_for(f"{self.url}/health", self._process, log)

    def signal(self, number: int) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(30)


@pytest.fixture
def server(store_made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server that runs, on a store that was made before; MLflow's client asks it."""
    made = Server(store_made.parent)
    made.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield made
    made.signal(signal.SIGCONT)
    made.kill()


def slowly(spec: Any) -> float:
    time.sleep(EPOCH_SECONDS)
    return by_learning_rate(spec)


def sweep_over(outages: int) -> Sweep:
    """Return a sweep of three epochs a trial that lasts longer than so many outages."""
    trial = 4 * EPOCH_SECONDS
    return settings(trials=3 + round(outages * (SECONDS + BETWEEN) / trial))


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_server_that_is_away_for_a_while_gets_everything_once(
    dataset: Dataset, server: Server, how: str
) -> None:
    if how == "stopped" and SECONDS <= 10:
        pytest.skip("a short stop is a slow answer: `make faults` makes longer ones")
    sweep = sweep_over(OUTAGES)
    scene = Scene(dataset, sweep, FakeExecutor(slowly))

    away = threading.Event()

    def interfere() -> None:
        for _ in range(OUTAGES):
            time.sleep(BETWEEN)
            away.set()
            server.signal(signal.SIGSTOP if how == "stopped" else signal.SIGKILL)
            time.sleep(SECONDS)
            if how == "stopped":
                server.signal(signal.SIGCONT)
            else:
                server.kill()
                server.start()
            away.clear()

    trouble = threading.Thread(target=interfere)
    trouble.start()
    ended_while_away = 0

    def ended(record: Any) -> None:
        nonlocal ended_while_away
        ended_while_away += away.is_set()

    scene.watcher.trial_ended = ended  # type: ignore[method-assign]
    records = scene.study.run()
    trouble.join()
    assert ended_while_away > 0  # the training went on
    assert scene.watcher.aways
    expect_whole(scene, scene.run.located(records))
    assert len(records) == sweep.budget.trials


def test_an_outage_past_the_end_is_made_good_by_the_next_start(
    dataset: Dataset, server: Server
) -> None:
    sweep = short_of_patience(settings(trials=4))
    scene = Scene(dataset, sweep, FakeExecutor(slowly))
    scene.watcher.trial_ended = lambda record: server.kill() if record.number == 1 else None  # type: ignore[method-assign]
    with pytest.raises(StoreAway, match="wait on disk"):
        scene.study.run()
    assert len(scene.engine.records()) == 4
    server.start()
    again = Scene(dataset, sweep, FakeExecutor())
    records = again.study.run()
    assert again.executor.specs == []
    expect_whole(again, again.run.located(records))
