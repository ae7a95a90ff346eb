"""Kill -9 at random moments, then go on: nothing is lost, nothing is left open, and the leaderboard
is that of a sweep with the same seed that nobody killed.

MINERALSWEEP_KILLS says how many (1 without it); `make faults` makes it 30.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from mineralsweep.data.sources import sample
from mineralsweep.serving.network import NETWORK_FILE

KILLS = int(os.environ.get("MINERALSWEEP_KILLS", "1"))
TRIALS = 2 + KILLS
BIN = Path(sys.executable).parent
ENGINES = {
    "optuna": "{pruner: none}\nbaseline: eligible",
    "keras-tuner": "{name: keras-tuner, sampler: random}\nbaseline: none",
}
SWEEP = f"""
question: Does it survive?
image_size: 80
data: {{{{source: minerals, split: 60/20/20}}}}
space:
  architecture: model2_1
  learning_rate: {{{{low: 3.0e-4, high: 3.0e-3, log: true}}}}
budget: {{{{trials: {TRIALS}, epochs: 4}}}}
engine: {{engine}}
faults: {{{{retries: 3}}}}
workers: 1
"""
COMMAND = [str(BIN / "mineralsweep"), "sweep", "mine.yaml", "--study", "hard"]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "MINERALSWEEP_CACHE": str(folder / "cache")}


def start(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "output.txt").open("ab") as log:
        return subprocess.Popen(
            COMMAND, cwd=folder, env=environment(folder), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def opened(folder: Path) -> int:
    """Return how often the study was opened so far."""
    output = folder / "output.txt"
    return output.read_text().count("Study hard:") if output.exists() else 0


def strike(process: subprocess.Popen[bytes], whom: str) -> None:
    """Kill the driver, its workers, or both."""
    if whom == "driver":
        process.kill()
    elif whom == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        time.sleep(2)  # the driver sees it, and goes on; then it is the driver's turn
        process.kill()
    process.wait(30)


def leaderboard(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of the one sweep's leaderboard in a folder's store."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mineralsweep")
    assert experiment is not None
    [parent] = client.search_runs([experiment.experiment_id], "tags.`mineralsweep.kind` = 'sweep'")
    path = client.download_artifacts(parent.info.run_id, "leaderboard.json")
    data = json.loads(Path(path).read_text())
    return [dict(zip(data["columns"], row, strict=True)) for row in data["data"]]


def what_follows_from_the_seed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("seconds", "run_id")}


def prepare(folder: Path, engine: str, store: Path) -> None:
    """Put the images, the sweep file and an empty store into a folder."""
    sample.write(folder / "minerals", per_class=10)
    shutil.copy(store, folder / "mlflow.db")
    (folder / "mine.yaml").write_text(SWEEP.format(engine=ENGINES[engine]))


@pytest.mark.slow
@pytest.mark.timeout(120 + 60 * (KILLS + TRIALS))
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_random_moments_a_sweep_still_ends_whole(
    tmp_path: Path, engine: str, store_made: Path
) -> None:
    chance = random.Random(7)  # noqa: S311
    folder = tmp_path / "killed"
    prepare(folder, engine, store_made)
    prepare(tmp_path / "undisturbed", engine, store_made)
    undisturbed = start(tmp_path / "undisturbed")  # the same sweep, beside
    for kill in range(KILLS):
        before = opened(folder)
        process = start(folder)
        # Every fifth kill is in the midst of the start.
        while kill % 5 != 4 and opened(folder) == before and process.poll() is None:
            time.sleep(0.1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 5))
        if process.poll() is None:
            strike(process, ("driver", "group", "workers")[kill % 3])
    last = subprocess.run(
        COMMAND,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert last.returncode == 0, (folder / "output.txt").read_text()[-3000:] + last.stderr[-3000:]

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mineralsweep")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert "RUNNING" not in {run.info.status for run in runs}
    trials = [run for run in runs if run.data.tags["mineralsweep.kind"] == "trial"]
    whole = [run for run in trials if run.info.status == "FINISHED"]
    assert len(whole) == TRIALS
    [parent] = [run for run in runs if run.data.tags["mineralsweep.kind"] == "sweep"]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mineralsweep.test_split_openings"] == "1"

    assert undisturbed.wait(60 * TRIALS) == 0
    board = leaderboard(folder)
    listed = [row["run_id"] for row in board if row["state"] == "COMPLETE"]
    assert {run.info.run_id for run in whole} <= set(listed)
    assert [what_follows_from_the_seed(row) for row in board] == [
        what_follows_from_the_seed(row) for row in leaderboard(tmp_path / "undisturbed")
    ]

    for run in whole:
        for name in ("val_loss", "val_accuracy", "train_loss", "train_accuracy"):
            steps = Counter(
                metric.step for metric in client.get_metric_history(run.info.run_id, name)
            )
            assert steps == Counter(range(1, 5))
        [output] = client.get_run(run.info.run_id).outputs.model_outputs
        model = client.get_logged_model(output.model_id)
        saved = Path(model.artifact_location.removeprefix("file://"))
        assert list(saved.rglob(NETWORK_FILE))
