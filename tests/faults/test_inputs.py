"""Awkward files and folders: each has its outcome, and none stops the others."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.cli.main import main
from mineralsweep.data import arrays
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.decode import decode
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import DataError
from tests import pictures
from tests.conftest import ROOT
from tests.faults.catalogue import FILES, Awkward, table
from tests.pictures import catalog_of

Make = Callable[..., Path]


def put(folder: Path, one: Awkward) -> Path:
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(one.name))))  # noqa: PTH118
    one.make(path)
    return path


@pytest.mark.parametrize("one", FILES, ids=lambda one: one.what)
def test_each_awkward_file_has_its_outcome(make_folder: Make, one: Awkward) -> None:
    root = make_folder(3)
    path = put(root / "ash", one)
    found = catalog_of(root)
    used = {image.path: image for image in found.images}
    assert len(used) == 9 + (not one.reason)
    if not one.reason:
        facts = used[path].facts
        assert (facts.height, facts.width) == one.size
        assert decode(path.read_bytes(), (32, 32)).shape == (32, 32, 3)
    else:
        [rejected] = found.rejected
        assert rejected.path == path
        assert any(part in rejected.reason for part in one.reason.split("|"))


def test_all_of_them_at_once_can_be_looked_at(
    make_folder: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_folder(5)
    for one in FILES:
        put(root / "ash", one)
    assert main(["data", "check", str(root)]) == 0
    shown = capsys.readouterr().out
    assert "an HTML page" in shown
    shown.encode()  # a name that is no UTF-8 must not be what stops the output


def test_odd_names_can_be_written_to_a_run(make_folder: Make) -> None:
    root = make_folder(10)
    for one in FILES:
        if not one.reason:
            put(root / "ash", one)
    dataset = open_dataset(DataSettings(str(root), "60/20/20", 0))
    names = dataset.files(range(len(dataset.catalog.images)))
    "".join(names).encode()
    assert len(set(names)) == len(names)


def test_every_outcome_is_documented() -> None:
    assert table() in (ROOT / "docs" / "reliability.md").read_text()
    assert len(FILES) >= 40


def test_no_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no sub-folders"):
        open_dataset(DataSettings(str(tmp_path), "60/20/20", 0))


def test_one_class(tmp_path: Path) -> None:
    root = pictures.write_classes(tmp_path / "one", ("ash",), 10)
    with pytest.raises(DataError, match="class"):
        open_dataset(DataSettings(str(root), "60/20/20", 0))


def test_a_class_with_hardly_an_image(make_folder: Make) -> None:
    root = make_folder(10)
    for path in sorted((root / "ash").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match=r"ash \(1; none in"):
        open_dataset(DataSettings(str(root), "60/20/20", 0))
    (root / "ash" / "000.png").unlink()
    assert open_dataset(DataSettings(str(root), "60/20/20", 0)).classes == ("beech", "cedar")


@pytest.mark.parametrize("change", ["removed", "changed"])
def test_a_file_gone_before_it_is_decoded(make_folder: Make, change: str) -> None:
    root = make_folder(10)
    dataset = open_dataset(DataSettings(str(root), "60/20/20", 0))
    path = dataset.catalog.images[0].path
    if change == "removed":
        path.unlink()
    else:
        path.write_bytes(pictures.encode(pictures.noisy((1, 2, 3), 99)))
    with pytest.raises(DataError, match=f"{path.name}: changed while it was read"):
        dataset.arrays((32, 32))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_file_without_permission(make_folder: Make) -> None:
    root = make_folder(3)
    (root / "ash" / "000.png").chmod(0)
    [rejected] = catalog_of(root).rejected
    assert rejected.reason.startswith("can't be read")


def test_a_file_gone_after_it_was_decoded(make_folder: Make) -> None:
    dataset = open_dataset(DataSettings(str(make_folder(10)), "60/20/20", 0))
    before = arrays.load(dataset.arrays((32, 32))).copy()
    for image in dataset.catalog.images[:3]:
        image.path.unlink()
    dataset.catalog.images[3].path.write_text("another")
    assert (arrays.load(dataset.arrays((32, 32))) == before).all()


def test_the_same_image_in_two_classes(make_folder: Make) -> None:
    root = make_folder(10)
    shutil.copy(root / "ash" / "000.png", root / "cedar" / "other name.png")
    dataset = open_dataset(DataSettings(str(root), "60/20/20", 0))
    assert dataset.catalog.counts() == {"ash": 9, "beech": 10, "cedar": 10}
    reasons = [item.reason for item in dataset.catalog.rejected]
    assert reasons == ["the same bytes stand in the classes ash and cedar"] * 2


def test_a_class_folder_that_is_a_loop(make_folder: Make) -> None:
    root = make_folder(3)
    (root / "loop").symlink_to(root / "loop")
    (root / "ash" / "up").symlink_to(root)
    (root / "again").symlink_to(root / "ash")  # a class by another name
    found = catalog_of(root)
    assert found.counts() == {"ash": 3, "beech": 3, "cedar": 3}
    assert [one.path.name for one in found.listing.folders] == ["again", "up"]


def test_a_folder_without_permission(
    make_folder: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_folder(3)
    locked = root / "ash" / "locked"
    locked.mkdir()
    closed, real = {str(locked)}, os.scandir

    def scandir(path: str | os.PathLike[str]) -> object:
        if os.fspath(path) in closed:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return real(path)

    # As root, who may run the tests, reads everything.
    monkeypatch.setattr(os, "scandir", scandir)
    [rejected] = catalog_of(root).rejected
    assert rejected.path == locked
    assert rejected.reason == "the folder can't be read: Permission denied"


def test_a_root_without_permission(make_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_folder(3)

    def closed(path: Path) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(DataError, match="photos: can't be read: Permission denied"):
        catalog_of(root)
