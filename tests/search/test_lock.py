"""One driver a study: a second one is refused by name, and a dead one has nothing."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mineralsweep.errors import StudyConflict
from mineralsweep.search.lock import study_locked


def _hold(folder: Path, storage: str | None, pipe: Connection) -> None:
    with study_locked(folder, storage):
        pipe.send("held")
        pipe.recv()


class Other:
    """A process that has a study."""

    def __init__(self, folder: Path, storage: str | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self.process = context.Process(target=_hold, args=(folder, storage, theirs), daemon=True)
        self.process.start()
        assert self._ours.recv() == "held"

    def die(self) -> None:
        self.process.kill()
        self.process.join()


def test_a_second_driver_is_told_who_has_the_study(tmp_path: Path) -> None:
    other = Other(tmp_path / "s")
    expected = rf"'s' has a driver already, in process {other.process.pid} of this machine"
    with pytest.raises(StudyConflict, match=expected), study_locked(tmp_path / "s"):
        pass
    other.die()
    with study_locked(tmp_path / "s"):
        pass


def test_a_driver_of_another_home_is_kept_out_by_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    other = Other(tmp_path / "there" / "s", url)
    with (
        pytest.raises(StudyConflict, match="which uses"),
        study_locked(tmp_path / "here" / "s", url),
    ):
        pass
    with study_locked(tmp_path / "here" / "another", url):
        pass
    other.die()
    with study_locked(tmp_path / "here" / "s", url):
        pass
