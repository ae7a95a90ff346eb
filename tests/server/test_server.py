"""Sweeps through PostgreSQL and `mlflow server`: nothing doubled or lost, no password told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from mineralsweep.data import sample
from tests.server.services import BIN, Postgres, Tracking, mlflow_server, postgres

TRIALS, EPOCHS = 6, 2
SWEEP = f"""
question: Do several machines make one sweep?
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
        postgres(folder / "postgres") as database,
        mlflow_server(folder / "mlflow", database.url("mlflow")) as tracking,
    ):
        yield Services(database, tracking)


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


def runs(services: Services, study: str, kind: str) -> list[Run]:
    client = MlflowClient(services.tracking.url)
    experiment = client.get_experiment_by_name("mineralsweep")
    assert experiment is not None
    return list(
        client.search_runs(
            [experiment.experiment_id],
            f"tags.`mineralsweep.study` = '{study}' and tags.`mineralsweep.kind` = '{kind}'",
        )
    )


def check_whole(services: Services, study: str) -> None:
    """Every trial once, with every epoch once and one model; one parent, one look at the test."""
    client = MlflowClient(services.tracking.url)
    [parent] = runs(services, study, "sweep")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mineralsweep.test_split_openings"] == "1"
    trials = runs(services, study, "trial")
    assert not [run for run in trials if run.info.status == "RUNNING"]
    finished = [run for run in trials if run.info.status == "FINISHED"]
    numbers = sorted(int(run.data.tags["mineralsweep.trial"]) for run in finished)
    assert len(numbers) == TRIALS
    assert len(set(numbers)) == TRIALS
    for run in finished:
        steps = [one.step for one in client.get_metric_history(run.info.run_id, "val_loss")]
        assert sorted(steps) == list(range(1, EPOCHS + 1))
        assert len(run.outputs.model_outputs) == 1
    versions = client.search_model_versions("name = 'mineral-classifier'")
    assert len([one for one in versions if one.tags.get("mineralsweep.study") == study]) == 1


def test_a_sweep_reaches_its_champion_and_tells_no_password(
    services: Services, tmp_path: Path
) -> None:
    folder = machine(tmp_path / "one")
    work = driver(services, folder, "alone")
    output, _ = work.communicate(timeout=280)
    assert work.returncode == 0, output
    check_whole(services, "alone")
    password = services.database.password
    assert password not in output
    assert "test accuracy" in output
    for path in folder.rglob("*"):
        if path.is_file():
            assert password.encode() not in path.read_bytes(), path
    dumped = subprocess.run(
        ["pg_dump", services.database.url("mlflow").replace("+psycopg", "")],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert b"mineralsweep.study" in dumped
    assert password.encode() not in dumped
