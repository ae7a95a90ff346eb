"""Shared fixtures. Every test has its own folder, cache and tracking store, and no network."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from mineralsweep.allocator import keep_memory
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from tests import pictures

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
# Each MLflow server would start seven processes for jobs that nobody here has.
os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
keep_memory()  # as a worker does: tests that train here take half the time
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINERALSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            _refuse(address)
        real(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)


def _refuse(address: object) -> NoReturn:
    raise OSError(f"tests reach no network, asked for {address}")


@pytest.fixture(scope="session")
def _empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite tracking store with its tables and nothing else."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store_made(_empty_store: Path, tmp_path: Path) -> Path:
    """Put a tracking store with its tables into the test's folder: making them takes seconds."""
    return Path(shutil.copy(_empty_store, tmp_path / "mlflow.db"))


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a folder a class of small pictures."""

    def make(per_class: int = 10, classes: tuple[str, ...] = ("ash", "beech", "cedar")) -> Path:
        return pictures.write_classes(tmp_path / "photos", classes, per_class)

    return make


@pytest.fixture
def dataset(make_folder: Callable[..., Path]) -> Dataset:
    """Return 30 small pictures in three classes, split 60/20/20."""
    return open_dataset(DataSettings(str(make_folder()), "60/20/20", 0))


@pytest.fixture(scope="session")
def photos() -> Path:
    """Return the folder of real photographs, or skip: they are not part of the project."""
    folder = Path(os.environ.get("MINERALSWEEP_PHOTOS", ROOT.parent / "shared" / "minerals"))
    if not folder.is_dir():
        pytest.skip(f"no photographs at {folder}; set MINERALSWEEP_PHOTOS to their folder")
    return folder


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """Return the folder of real ImageNet weights, or skip: they are not part of the project."""
    folder = Path(os.environ.get("MINERALSWEEP_WEIGHTS", ROOT.parent / "shared" / "weights"))
    if not folder.is_dir():
        pytest.skip(f"no weights at {folder}; set MINERALSWEEP_WEIGHTS to their folder")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that have slow tests first, so that no worker is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
