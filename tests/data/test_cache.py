"""Files in the cache are whole or absent."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep import files
from mineralsweep.data import arrays
from tests.pictures import catalog_of


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        files.write_atomically(tmp_path / "out" / "file.npy", fail)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINERALSWEEP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert files.folder() == Path("/somewhere/mineralsweep")


def _build(root: str) -> bytes:
    return arrays.ensure(catalog_of(Path(root)), (24, 24)).read_bytes()


def test_processes_that_build_at_once_agree(make_folder: Callable[..., Path]) -> None:
    root = str(make_folder(8))
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        built = pool.map(_build, [root] * 4)
    assert len(set(built)) == 1
    assert len(list((files.folder() / "arrays").iterdir())) == 1
