"""What one driver sustains: its own loop, outbox and tracking store; trials that only take time.

    python -m benchmarks.cluster --slots 1000 --seconds 60 --minutes 4
    python -m benchmarks.cluster --slots 1000 --seconds 60 --minutes 4 --server

`--server` puts PostgreSQL and `mlflow server` behind, on this machine. A trial of so many seconds
reports ten epochs, evenly; how late the driver answers them is how much it is behind.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mineralsweep.config import build
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.engines import ENGINES
from mineralsweep.executors import Event, Finished, Slots
from mineralsweep.search.state import State
from mineralsweep.search.study import Study
from mineralsweep.search.task import Task
from mineralsweep.tracking import Outbox, StudyRun, open_store
from tests.fakes import FakeExecutor, Watcher

EPOCHS = 10
MOST = 100_000


class Cluster(FakeExecutor):
    """Slots whose trials train nothing, and take their time; they begin spread over one trial's."""

    def __init__(self, slots: int, seconds: float, until: float) -> None:
        super().__init__(slots=slots)
        self._every = seconds / EPOCHS
        self._until = until
        self._due: list[tuple[float, int]] = []
        self._spread = iter([seconds * place / slots for place in range(slots)])
        self.late: list[float] = []
        """Seconds from when an epoch ended to when the driver took its report."""

    def free(self) -> int:
        return 0 if time.monotonic() > self._until else super().free()

    def submit(self, spec: TrialSpec) -> None:
        super().submit(spec)
        start = time.monotonic() + next(self._spread, 0.0)
        heapq.heappush(self._due, (start + self._every, spec.number))

    def wait(self, timeout: float) -> list[Event]:
        now = time.monotonic()
        if self._due and self._due[0][0] > now:
            time.sleep(min(timeout, self._due[0][0] - now))
        events: list[Event] = []
        while self._due and self._due[0][0] <= time.monotonic() and len(events) < 1000:
            due, number = heapq.heappop(self._due)
            self.late.append(time.monotonic() - due)
            event = self._step(number)
            events.append(event)
            if isinstance(event, Finished):
                result = replace(event.result, seconds=self._every * EPOCHS)
                events[-1] = replace(event, result=result)
        return events

    def answer(self, number: int, stop_reason: str | None, fold: int | None = None) -> None:
        super().answer(number, stop_reason, fold)
        heapq.heappush(self._due, (time.monotonic() + self._every, number))

    def slots(self) -> Slots:
        return Slots(self.room, "simulated")


@contextlib.contextmanager
def _tracking(with_server: bool, folder: Path) -> Iterator[None]:
    if not with_server:
        yield
        return
    from tests.server.services import mlflow_server, postgres

    with postgres() as database, mlflow_server(folder / "server", database.url("mlflow")) as server:
        os.environ["MLFLOW_TRACKING_URI"] = server.url
        yield


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="that a trial takes")
    parser.add_argument("--minutes", type=float, default=4.0, help="in which trials begin")
    parser.add_argument("--server", action="store_true", help="PostgreSQL and an MLflow server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        with _tracking(options.server, Path(scratch)):
            print(json.dumps(measure(options.slots, options.seconds, options.minutes), indent=1))


def measure(slots: int, seconds: float, minutes: float) -> dict[str, float]:
    """Run a study on a simulated cluster, and return what its driver did."""
    sweep = build(
        {
            "question": "What does one driver sustain?",
            "image_size": 96,
            "space": {"architecture": "model2", "learning_rate": {"low": 1e-4, "high": 1e-2}},
            "budget": {"trials": MOST, "epochs": EPOCHS, "timeout": minutes * 60},
            "engine": {"pruner": "none", "sampler": "random"},
            "baseline": "none",
        },
        "benchmark",
    )
    dataset = open_dataset(DataSettings("sample", "40/20/40", 0))
    dataset.arrays((96, 96))
    state, task = State("bench", "sweep", {}), Task(sweep, dataset)
    engine = ENGINES["optuna"](sweep, "bench", state.folder, None)
    run = StudyRun(open_store(), "bench", "sweep", task.divided)
    run.describe_study({})
    started, watcher = time.monotonic(), Watcher()
    cluster = Cluster(slots, seconds, started + minutes * 60)
    with contextlib.suppress(Exception):  # trials are cut short: the driver is what counts
        Study(task, engine, cluster, state, Outbox(state.folder / "outbox"), run, watcher).run()
    whole, told = time.monotonic() - started, len(watcher.ended)
    late = sorted(cluster.late)
    return {
        "slots": slots,
        "trials a second asked for": slots / seconds,
        "trials": told,
        "trials a second told and delivered": round(told / whole, 2),
        "minutes, delivery of what waited included": round(whole / 60, 2),
        "answers late, median s": round(statistics.median(late), 2),
        "answers late, 99 % s": round(late[int(0.99 * len(late))], 2),
    }


if __name__ == "__main__":
    main()
