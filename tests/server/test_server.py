"""Sweeps through PostgreSQL and `mlflow server`: nothing doubled or lost, no password told.

MINERALSWEEP_KILLS says how often the driver is killed at each moment (1 without it).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import Run
from optuna.storages import RDBStorage

from mineralsweep.data.sources import sample
from tests.server.services import BIN, Postgres, Tracking, mlflow_server, postgres
from tests.server.whole import check_whole, runs

pytestmark = pytest.mark.timeout(600)

KILLS = int(os.environ.get("MINERALSWEEP_KILLS", "1"))
TRIALS, EPOCHS = 8, 2
SWEEP = f"""
question: Does a server keep what one driver finds?
image_size: 80
data: {{source: minerals, split: 60/20/20}}
space:
  architecture: model2_1
  learning_rate: {{low: 3.0e-4, high: 3.0e-3, log: true}}
budget: {{trials: {TRIALS}, epochs: {EPOCHS}}}
engine: {{pruner: none}}
workers: 1
"""


@dataclass(frozen=True)
class Services:
    """What a laboratory would run on its server."""

    database: Postgres
    tracking: Tracking
    search: RDBStorage

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the surroundings of a driver: the credentials are in here alone."""
        return {
            **os.environ,
            "MINERALSWEEP_CACHE": str(folder / "cache"),
            "MINERALSWEEP_STORAGE": self.database.url("optuna"),
            "MLFLOW_TRACKING_URI": self.tracking.url,
        }


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("services")
    with (
        postgres() as database,
        mlflow_server(folder / "mlflow", database.url("mlflow")) as tracking,
    ):
        search = RDBStorage(database.url("optuna"))
        yield Services(database, tracking, search)
        search.remove_session()
        search.engine.dispose()


def machine(folder: Path) -> Path:
    """Lay out the folder of one driver, with the same photographs and sweep file as the others."""
    folder.mkdir()
    (folder / "mine.yaml").write_text(SWEEP)
    sample.write(folder / "minerals", per_class=10)
    return folder


def driver(services: Services, folder: Path, study: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / "mineralsweep"), "sweep", "mine.yaml", "--study", study],
        cwd=folder, env=services.environment(folder), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_a_sweep_reaches_its_champion_and_tells_no_password(
    services: Services, tmp_path: Path
) -> None:
    folder = machine(tmp_path / "one")
    work = driver(services, folder, "alone")
    output, _ = work.communicate(timeout=500)
    assert work.returncode == 0, output
    check_whole(services.tracking.url, "alone", TRIALS, EPOCHS)
    password = services.database.password
    assert password not in output
    assert "test accuracy" in output
    assert "View run" not in output  # MLflow's own lines
    # What the driver left, and the server: its log and all artifacts.
    for path in (*folder.rglob("*"), *services.tracking.log.parent.rglob("*")):
        if path.is_file():
            assert password.encode() not in path.read_bytes(), path
    for database, known in (("mlflow", b"mineralsweep.study"), ("optuna", b"alone")):
        dumped = subprocess.run(
            ["pg_dump", services.database.url(database).replace("+psycopg", "")],
            capture_output=True, check=True,
        ).stdout  # fmt: skip
        assert known in dumped
        assert password.encode() not in dumped


def finish(work: subprocess.Popen[str]) -> str:
    output, _ = work.communicate(timeout=500)
    assert work.returncode == 0, output
    return output


def finished(services: Services, study: str) -> list[Run]:
    return [
        run for run in runs(services.tracking.url, study, "trial") if run.info.status == "FINISHED"
    ]


def told(services: Services, study: str) -> list[int]:
    """Return the trials whose end the database has."""
    if study not in {one.study_name for one in services.search.get_all_studies()}:
        return []
    known = services.search.get_all_trials(services.search.get_study_id_from_name(study))
    return [trial.number for trial in known if trial.state.is_finished()]


def test_a_second_driver_is_refused_wherever_it_is(services: Services, tmp_path: Path) -> None:
    first = driver(services, machine(tmp_path / "one"), "taken")
    until(lambda: bool(runs(services.tracking.url, "taken", "sweep")), "the first driver has begun")
    second = driver(services, machine(tmp_path / "two"), "taken")
    output, _ = second.communicate(timeout=100)
    assert second.returncode == 2, output
    assert "study 'taken' has a driver already, on another machine" in output
    assert services.database.password not in output
    finish(first)
    check_whole(services.tracking.url, "taken", TRIALS, EPOCHS)
    third = driver(services, tmp_path / "two", "taken")  # the lock is free, the folder elsewhere
    output, _ = third.communicate(timeout=100)
    assert third.returncode == 2, output
    assert "MINERALSWEEP_HOME" in output
    check_whole(services.tracking.url, "taken", TRIALS, EPOCHS)


@pytest.mark.parametrize("repeat", range(KILLS))
@pytest.mark.parametrize("moment", ["any", "when it has told of a trial"])
def test_a_driver_killed_in_the_midst_loses_and_doubles_nothing(
    services: Services, tmp_path: Path, moment: str, repeat: int
) -> None:
    study = f"killed-{moment}-{repeat}".replace(" ", "-")
    folder = machine(tmp_path / "one")
    work = driver(services, folder, study)
    if moment == "any":
        until(lambda: len(finished(services, study)) >= 1, "a trial has finished")
        time.sleep(np.random.default_rng().uniform(0, 3))
    else:
        # The database knows of one more trial, and MLflow has not all of it.
        until(lambda: bool(told(services, study)), "it tells of a trial", 0.01)
    os.kill(work.pid, signal.SIGKILL)
    work.communicate()
    time.sleep(2)  # the server may still carry out what it was asked
    output = finish(driver(services, folder, study))  # its lock died with it
    assert "test accuracy" in output
    check_whole(services.tracking.url, study, TRIALS, EPOCHS)


def until(said: Callable[[], bool], what: str, pause: float = 0.5) -> None:
    deadline = time.monotonic() + 400
    while not said():
        assert time.monotonic() < deadline, what
        time.sleep(pause)
