"""A disk that fills up in the midst: the error says so, nothing half-written is taken for whole,
and the work goes on once there is room.

Each stage stands on a tmpfs of 4 MiB, which only root can mount; skipped elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from mineralsweep.activations import store
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.engine import Engine
from mineralsweep.tracking import Outbox, Point
from mineralsweep.tracking.outbox import Entry
from tests.contracts.test_engines import opened, record
from tests.examples import trial

SIZE = 4 * 2**20
NO_ROOM = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk, and take it away again."""
    place = tmp_path / "disk"
    place.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if mount is None or umount is None or subprocess.run([mount, *options], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run([umount, "--lazy", str(place)], check=True)


def fill(disk: Path, spare: int = 0) -> Path:
    """Fill the disk up to `spare` bytes, and return the file to delete for room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match=NO_ROOM):
        _write_for_ever(file)
    if spare:
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - spare)
    return filler


def _write_for_ever(file: FileIO) -> None:
    while True:
        file.write(bytes(4096))


def _add_many(entry: Entry) -> None:
    for step in range(1, 2000):
        entry.add(Point({"loss": 1 / step, "accuracy": 0.123456789}, step, 1))


def _search_on(engine: Engine) -> None:
    for _ in range(50):
        proposal = engine.ask()
        assert proposal is not None
        engine.tell(record(proposal.number, proposal.params, value=0.6))


def test_decoded_images(disk: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    # 30 x 300 x 300 x 3 bytes are 8 MB: more than the disk; half of them fit.
    monkeypatch.setenv("MINERALSWEEP_CACHE", str(disk / "cache"))
    with pytest.raises(OSError, match=NO_ROOM):
        dataset.arrays((300, 300))
    assert [path for path in (disk / "cache").rglob("*") if path.suffix == ".npy"] == []
    assert arrays.load(dataset.arrays((100, 100))).shape == (30, 100, 100, 3)


def test_the_store_of_activations(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERALSWEEP_CACHE", str(disk / "cache"))
    # There was room when it was asked for; another program took it.
    monkeypatch.setattr(store, "_check_room", lambda size: None)
    shape = (512, 512, 4)  # 2 MiB

    def build(target: store.Activations) -> None:
        target[...] = 1.5

    request = store.Request({"cut": 1}, shape, build)
    filler = fill(disk, spare=2**20)
    with pytest.raises(OSError, match=NO_ROOM):
        list(store.ensure([request]))
    assert not request.place.exists()
    filler.unlink()
    [found] = store.ensure([request])
    assert float(np.asarray(found[-1, -1, -1], dtype=float)) == 1.5


def test_the_outbox(disk: Path, dataset: Dataset, tmp_path: Path) -> None:
    spec = trial(dataset, tmp_path / "m", epochs=2)
    box = Outbox(disk / "outbox")
    entry = box.begin(spec, 1)
    filler = fill(disk, spare=8192)
    with pytest.raises(OSError, match=NO_ROOM):
        _add_many(entry)
    written = len(entry.happened)
    assert written > 0
    with pytest.raises(OSError, match=NO_ROOM):
        box.begin(spec, 2)
    filler.unlink()
    entry.add(Point({"loss": 0.5}, written + 1, 2))
    [again] = Outbox(disk / "outbox").left()
    assert again.happened == entry.happened
    assert [one.step for one in again.happened if isinstance(one, Point)] == list(
        range(1, written + 2)
    )


def test_an_outbox_of_a_driver_that_stopped(disk: Path, dataset: Dataset, tmp_path: Path) -> None:
    entry = Outbox(disk / "outbox").begin(trial(dataset, tmp_path / "m", epochs=2), 1)
    filler = fill(disk, spare=4096)
    with pytest.raises(OSError, match=NO_ROOM):
        _add_many(entry)
    read = Entry.read(entry.folder)
    filler.unlink()
    read.add(Point({"loss": 0.5}, 5000, 2))
    assert Entry.read(entry.folder).happened[-1] == Point({"loss": 0.5}, 5000, 2)


def test_the_engine_s_journal(
    disk: Path, monkeypatch: pytest.MonkeyPatch, make_engine: Callable[[], Engine]
) -> None:
    monkeypatch.chdir(disk)
    engine = make_engine()
    proposal = engine.ask()
    assert proposal is not None
    engine.tell(record(proposal.number, proposal.params, value=0.5))
    filler = fill(disk, spare=1000)
    with pytest.raises(OSError, match=NO_ROOM):
        _search_on(engine)
    filler.unlink()
    again = make_engine()
    numbers = [told.number for told in again.records()]
    assert numbers == sorted(set(numbers))
    proposal = again.ask()
    assert proposal is not None
    again.tell(record(proposal.number, proposal.params, value=0.7))
    assert proposal.number in [told.number for told in make_engine().records()]


@pytest.fixture
def make_engine() -> Callable[[], Engine]:
    return lambda: opened("optuna")
