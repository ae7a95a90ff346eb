"""Sweeps on a Ray cluster of three nodes, with an MLflow server and PostgreSQL behind.

Nothing is lost or doubled, whichever part dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient

from mineralsweep.config.sections import Resources
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import sample
from mineralsweep.executors import Epoch, Failed, Finished
from mineralsweep.executors.ray import RayExecutor
from tests.cluster.nodes import Cluster, cluster
from tests.examples import trial
from tests.server.services import BIN, Tracking, mlflow_server, postgres
from tests.server.whole import check_whole, runs

pytestmark = pytest.mark.timeout(600)

TRIALS, EPOCHS = 12, 2
SWEEP = """
question: Does a cluster find what one machine finds?
image_size: 80
data: {source: minerals, split: 60/20/20}
space:
  architecture: model2_1
  learning_rate: {low: 3.0e-4, high: 3.0e-3, log: true}
engine: {pruner: none, sampler: random}
baseline: none
resources: {cpus: 1, memory: 500MiB}
faults: {retries: 9, checkpoint_every: 0.1}
"""
FOLDS = f"{SWEEP}folds: 2\nbudget: {{trials: {TRIALS}, epochs: {EPOCHS}}}\n"
LONG_EPOCHS = 25
LONG = f"{SWEEP}budget: {{trials: 6, epochs: {LONG_EPOCHS}}}\n"


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    folder = tmp_path_factory.mktemp("services")
    with postgres() as database, mlflow_server(folder, database.url("mlflow")) as server:
        yield server


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), 3) as made:
        yield made


@pytest.fixture
def driver(tracking: Tracking, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return what starts the command, in a folder with a collection."""
    sample.write(tmp_path / "minerals", per_class=10)

    def started(*words: str, text: str = "") -> subprocess.Popen[str]:
        if text:
            (tmp_path / "mine.yaml").write_text(text)
        with (tmp_path / "driver.log").open("a") as log:
            return subprocess.Popen(
                [str(BIN / "mineralsweep"), *words], cwd=tmp_path, text=True, stdout=log,
                stderr=log, env={
                    **os.environ, "MLFLOW_TRACKING_URI": tracking.url,
                    "MINERALSWEEP_CACHE": str(tmp_path / "cache"),
                },
            )  # fmt: skip

    return started


def said(tmp_path: Path) -> str:
    return (tmp_path / "driver.log").read_text()


def until(holds: Callable[[], bool], what: str, seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def leaderboard(url: str, study: str) -> pd.DataFrame:
    """Return what is the same wherever trials ran, in the order of the trials."""
    [parent] = runs(url, study, "sweep")
    path = MlflowClient(url).download_artifacts(parent.info.run_id, "leaderboard.csv")
    table = pd.read_csv(path).sort_values("trial", ignore_index=True)
    own = [name for name in table if any(part in name for part in ("run", "seconds", "model_id"))]
    return table.drop(columns=own)


def all_have_checkpoints(folder: Path) -> bool:
    """Say whether every trial that runs has come to its first checkpoint on the driver's disk."""
    attempts = list(folder.glob(".mineralsweep/studies/*/outbox/trial-*"))
    running = [one for one in attempts if not (one / "end.json").exists()]
    return bool(running) and all((one / "checkpoint" / "state.npz").exists() for one in running)


def slots_left() -> list[int]:
    """Return the processes of slots on this machine."""
    found = []
    for one in psutil.process_iter(["cmdline"]):
        if any(part.startswith("ray::Slot") for part in one.info["cmdline"] or ()):
            found.append(one.pid)
    return found


def test_three_nodes_find_what_one_machine_finds(
    ray: Cluster, tracking: Tracking, tmp_path: Path,
    driver: Callable[..., subprocess.Popen[str]],
) -> None:  # fmt: skip
    on_ray = ("--executor", "ray", "--address", ray.address)
    assert driver("sweep", "mine.yaml", "--study", "nodes", *on_ray, text=FOLDS).wait(400) == 0
    assert "Ray: 3 nodes, 3 slots" in said(tmp_path)
    check_whole(tracking.url, "nodes", TRIALS, EPOCHS)
    sizes = {node.received() for node in ray.nodes}
    assert len(sizes) == 1  # the same arrays, once a node
    assert 0 < sizes.pop() < 30 * 80 * 80 * 3 * 1.1
    assert driver("sweep", "mine.yaml", "--study", "alone", "--workers", "2").wait(400) == 0
    pd.testing.assert_frame_equal(
        leaderboard(tracking.url, "nodes"), leaderboard(tracking.url, "alone")
    )


def test_nodes_that_die_cost_no_trial_and_nodes_that_join_are_used(
    ray: Cluster, tracking: Tracking, tmp_path: Path,
    driver: Callable[..., subprocess.Popen[str]],
) -> None:  # fmt: skip
    words = ("--study", "killed-nodes", "--executor", "ray", "--address", ray.address)
    work = driver("sweep", "mine.yaml", *words, text=LONG)
    with ThreadPoolExecutor() as beside:  # the study must not end before the fifth is dead
        joining = []
        for moment in range(5):
            until(lambda: any(node.trains() for node in ray.nodes), "a node trains")
            if moment % 2:  # the others meet trials that have none yet, or that begin
                until(lambda: all_have_checkpoints(tmp_path), "every trial has a checkpoint")
            busy = next((node for node in ray.nodes if node.trains()), ray.nodes[0])
            ray.nodes.remove(busy)
            busy.kill()
            joining.append(beside.submit(ray.add))
        assert work.wait(400) == 0, said(tmp_path)
        joined = [one.result() for one in joining]
    check_whole(tracking.url, "killed-nodes", 6, LONG_EPOCHS)
    assert "going on from its checkpoint" in said(tmp_path)
    assert any(node.received() for node in joined)


def test_a_link_that_was_cut_counts_no_trial_twice(
    ray: Cluster, tracking: Tracking, tmp_path: Path,
    driver: Callable[..., subprocess.Popen[str]],
) -> None:  # fmt: skip
    words = ("--study", "cut", "--executor", "ray", "--address", ray.address)
    work = driver("sweep", "mine.yaml", *words, text=LONG)
    until(lambda: any(node.trains() for node in ray.nodes), "a node trains")
    cut = next(node for node in ray.nodes if node.trains())
    cut.cut()
    healed = threading.Timer(60, cut.heal)
    healed.start()
    assert work.wait(400) == 0, said(tmp_path)
    healed.join()
    check_whole(tracking.url, "cut", 6, LONG_EPOCHS)
    ray.nodes.remove(cut)
    cut.kill()  # the others count it as dead by now
    ray.add()


def test_a_driver_killed_goes_on_and_leaves_no_slot_behind(
    ray: Cluster, tracking: Tracking, tmp_path: Path,
    driver: Callable[..., subprocess.Popen[str]],
) -> None:  # fmt: skip
    on_ray = ("--executor", "ray", "--address", ray.address)
    words: tuple[str, ...] = ("sweep", "mine.yaml", "--study", "killed-driver", *on_ray)
    for moment in range(5):
        work = driver(*words, text=LONG)
        until(lambda: any(node.trains() for node in ray.nodes), "a node trains")
        time.sleep(0.7 * moment)
        work.send_signal(signal.SIGKILL)
        work.wait(10)
        until(lambda: not slots_left(), "the slots end with their driver", 60)
        words = ("resume", "killed-driver")
    assert driver(*words).wait(400) == 0, said(tmp_path)
    check_whole(tracking.url, "killed-driver", 6, LONG_EPOCHS)


GREEDY = """
import numpy as np

def build(input_shape, num_classes):
    import keras
    from keras import layers
    held = [np.ones(2**27) for _ in range({arrays})]  # 1 GiB each
    inputs = keras.Input(input_shape)
    x = layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))
"""


def test_a_worker_out_of_memory_is_told_as_that(tmp_path: Path) -> None:
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + 4 * 2**30) / memory.total
    sample.write(tmp_path / "minerals", per_class=10)
    dataset = open_dataset(DataSettings(str(tmp_path / "minerals"), "60/20/20", 0))
    (tmp_path / "greedy.py").write_text(GREEDY.format(arrays=8))
    with cluster(tmp_path, 0) as made:
        made.add(RAY_memory_usage_threshold=f"{threshold:.3f}", RAY_memory_monitor_refresh_ms="50")
        executor = RayExecutor(
            1, tmp_path / "logs", resources=Resources(memory=2**28), address=made.address
        )
        try:
            executor.submit(
                trial(dataset, tmp_path / "m", architecture=f"{tmp_path / 'greedy.py'}:build")
            )
            event = ended(executor)
        finally:
            executor.close()
    assert isinstance(event, Failed)
    assert event.fault == "memory", event.reason


def ended(executor: RayExecutor) -> Finished | Failed:
    """Return the end of the one trial that runs."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for event in executor.wait(1.0):
            if isinstance(event, Finished | Failed):
                return event
            if isinstance(event, Epoch):
                executor.answer(event.number, None)
    raise AssertionError("the trial did not end")
