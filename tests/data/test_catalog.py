"""What is in a folder, by content."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mineralsweep.data import arrays, catalog
from mineralsweep.data.profile import profile
from mineralsweep.errors import DataError
from tests.pictures import catalog_of, encode, noisy

Make = Callable[..., Path]


def test_classes_are_folders_and_names_do_not_matter(make_folder: Make) -> None:
    root = make_folder(4)
    (root / "ash" / "000.png").rename(root / "ash" / "42. bo")
    found = catalog_of(root)
    assert found.classes == ("ash", "beech", "cedar")
    assert found.counts() == {"ash": 4, "beech": 4, "cedar": 4}
    assert found.rejected == ()


def test_the_digest_is_of_content_not_of_names_or_places(make_folder: Make, tmp_path: Path) -> None:
    root = make_folder(4)
    first = catalog_of(root)
    other = tmp_path / "elsewhere"
    shutil.copytree(root, other)
    for path in (other / "ash").iterdir():
        path.rename(path.with_name(f"z{path.name[::-1]}"))
    second = catalog_of(other)
    assert second.digest == first.digest
    assert [i.digest for i in second.images] == [i.digest for i in first.images]


def test_what_cannot_be_used_is_listed_with_its_reason(make_folder: Make) -> None:
    root = make_folder(3)
    (root / "ash" / "page.jpg").write_text("<html></html>")
    (root / "ash" / "nothing.png").write_bytes(b"")
    (root / "beech" / "cut.jpg").write_bytes(encode(noisy((9, 9, 9), 1), "JPEG")[:200])
    (root / "loose.png").write_bytes(encode(noisy((9, 9, 9), 2)))
    (root / "ash" / ".DS_Store").write_bytes(b"x")
    found = catalog_of(root)
    reasons = {item.path.name: item.reason for item in found.rejected}
    assert len(found.images) == 9
    assert "HTML" in reasons["page.jpg"]
    assert "empty" in reasons["nothing.png"]
    assert "damaged" in reasons["cut.jpg"]
    assert "class folder" in reasons["loose.png"]
    assert ".DS_Store" not in reasons


def test_a_copy_in_the_same_class_is_kept_once(make_folder: Make) -> None:
    root = make_folder(3)
    shutil.copy(root / "ash" / "000.png", root / "ash" / "copy.png")
    found = catalog_of(root)
    assert found.counts()["ash"] == 3
    assert found.rejected[0].reason == "the same bytes as ash/000.png"


def test_the_same_image_in_two_classes_is_used_in_neither(make_folder: Make) -> None:
    root = make_folder(3)
    shutil.copy(root / "ash" / "000.png", root / "beech" / "twin.png")
    found = catalog_of(root)
    assert found.counts() == {"ash": 2, "beech": 3, "cedar": 3}
    assert {"ash and beech" in item.reason for item in found.rejected} == {True}


def test_pipes_links_and_loops_do_no_harm(make_folder: Make) -> None:
    root = make_folder(3)
    os.mkfifo(root / "ash" / "pipe.jpg")
    (root / "ash" / "loop").symlink_to(root)
    (root / "ash" / "dangling.png").symlink_to(root / "nowhere.png")
    found = catalog_of(root)
    assert len(found.images) == 9
    assert {item.path.name for item in found.rejected} == {"pipe.jpg", "dangling.png"}


@pytest.mark.parametrize("name", ["new\nline.png", "quo'te\".png", "🪨.png", "sp ace.png"])
def test_odd_names_are_read(make_folder: Make, name: str) -> None:
    root = make_folder(3)
    (root / "ash" / "000.png").rename(root / "ash" / name)
    assert catalog_of(root).counts()["ash"] == 3


def test_only_the_classes_asked_for_are_kept(make_folder: Make) -> None:
    root = make_folder(3)
    assert catalog_of(root, ["ash", "cedar"]).classes == ("ash", "cedar")
    with pytest.raises(DataError, match=r"no class 'ceder'; did you mean 'cedar'\?"):
        catalog_of(root, ["ceder"])


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        catalog_of(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        catalog_of(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no sub-folders"):
        catalog_of(tmp_path / "empty")


def test_verdicts_are_remembered_and_a_damaged_memory_is_no_harm(
    make_folder: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(3)
    first = catalog_of(root)
    memory = next((tmp_path / "cache").glob("verdicts*.json"))
    with monkeypatch.context() as patch:
        patch.setattr(catalog, "open_rgb", lambda content: pytest.fail("decoded again"))
        assert catalog_of(root) == first
    memory.write_text("{broken")
    assert catalog_of(root) == first


def test_the_profile_gives_sizes_a_class(make_folder: Make) -> None:
    rows = profile(catalog_of(make_folder(3)))
    assert [row.label for row in rows] == ["ash", "beech", "cedar", "all"]
    assert rows[-1].count == 9
    assert rows[0].height is not None
    assert rows[0].width is not None
    assert (rows[0].height.mean, rows[0].width.median) == (40, 50)


def test_arrays_hold_every_image_in_order(make_folder: Make) -> None:
    found = catalog_of(make_folder(3))
    pixels = arrays.load(arrays.ensure(found, (16, 20)))
    assert pixels.shape == (9, 16, 20, 3)
    assert pixels.dtype == np.uint8
    assert isinstance(pixels, np.memmap)
    means = pixels.reshape(9, -1, 3).mean(axis=1).argmax(axis=1)
    assert means.tolist() == [0] * 3 + [1] * 3 + [2] * 3  # red, green, blue


def test_arrays_are_built_once_and_again_when_damaged(make_folder: Make) -> None:
    found = catalog_of(make_folder(3))
    path = arrays.ensure(found, (16, 20))
    stamp = path.stat().st_mtime_ns
    assert arrays.ensure(found, (16, 20)) == path
    assert path.stat().st_mtime_ns == stamp
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    assert arrays.ensure(found, (16, 20)).read_bytes() == good


def test_a_file_changed_since_the_catalogue_is_told(make_folder: Make) -> None:
    root = make_folder(3)
    found = catalog_of(root)
    (root / "ash" / "000.png").write_bytes(encode(noisy((1, 2, 3), 99)))
    with pytest.raises(DataError, match=r"000\.png: changed while it was read"):
        arrays.ensure(found, (16, 20))


@pytest.mark.slow
def test_all_real_photographs_load(photos: Path) -> None:
    found = catalog_of(photos)
    assert found.counts() == {"biotite": 68, "bornite": 170, "chrysocolla": 162}
    assert found.rejected == ()
    assert arrays.load(arrays.ensure(found, (32, 32))).shape == (400, 32, 32, 3)
