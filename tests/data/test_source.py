"""The Kaggle data set, through a stand-in for kagglehub: no network in tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import open_catalog
from mineralsweep.data.sources.minet import MINET, fetch
from mineralsweep.errors import DataError
from tests.pictures import write_classes

Install = Callable[[Callable[[str], str]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that puts a kagglehub with this download in place."""

    def put(download: Callable[[str], str]) -> None:
        fake = ModuleType("kagglehub")
        fake.dataset_download = download  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "kagglehub", fake)

    return put


def test_the_study_s_three_classes_are_kept(install: Install, tmp_path: Path) -> None:
    asked = []

    def download(handle: str) -> str:
        asked.append(handle)
        write_classes(tmp_path / "minet", ("biotite", "bornite", "chrysocolla", "quartz"), 3)
        return str(tmp_path)

    install(download)
    assert open_catalog(DataSettings("minet")).classes == ("biotite", "bornite", "chrysocolla")
    two = open_catalog(DataSettings("minet", classes=("biotite", "quartz")))
    assert two.classes == ("biotite", "quartz")
    assert asked == [MINET] * 2


def test_without_kagglehub_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match=r"pip install kagglehub, or download .* data=PATH"):
        fetch()


def test_out_of_reach_it_says_what_to_do(install: Install) -> None:
    def download(handle: str) -> str:
        raise ConnectionError("no route to host")

    install(download)
    with pytest.raises(DataError, match=r"can't be reached \(ConnectionError: no route.*data=PATH"):
        fetch()


def test_another_layout_is_refused(install: Install, tmp_path: Path) -> None:
    install(lambda handle: str(tmp_path))
    with pytest.raises(DataError, match="has no folder minet/biotite"):
        fetch()
