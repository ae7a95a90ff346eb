"""What a sweep says of a collection that changed since its champion."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import DataError
from mineralsweep.registry import Versions, kept_in_test, since_champion
from tests.pictures import write_classes
from tests.registry.test_crowning import Sweeping

pytestmark = pytest.mark.usefixtures("store_made")


def opened(root: Path) -> Dataset:
    return open_dataset(DataSettings(str(root)))


def test_without_a_champion_and_without_a_change_nothing_is_said(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder(20)
    sweeping = Sweeping(tmp_path / "models", opened(root))
    versions = Versions(sweeping.store)
    assert since_champion(versions, opened(root)) == []
    sweeping.end(wrong=3)
    for path in list((root / "ash").iterdir()):
        path.rename(path.with_name(f"renamed {path.name}"))
    assert since_champion(versions, opened(root)) == []
    others = write_classes(tmp_path / "others", ("ash", "beech", "cedar"), 10, first=500)
    assert since_champion(versions, opened(others)) == []


def test_what_changed_is_counted_and_named(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder(20)
    before = opened(root)
    sweeping = Sweeping(tmp_path / "models", before)
    sweeping.end(wrong=3)
    tested = [before.catalog.images[row] for row in before.split.test]
    moved = next(image for image in tested if image.label == "ash")
    shutil.move(moved.path, root / "beech" / "moved.png")
    before.catalog.images[before.split.train[0]].path.unlink()
    write_classes(root, ("ash",), 4, first=300)
    write_classes(root, ("elm",), 10, first=400)
    lines = since_champion(Versions(sweeping.store), opened(root))
    assert lines[0].startswith("Since champion version 1: 14 images added; 1 gone; ")
    assert "beech/moved.png (ash, now beech)" in lines[0]
    assert lines[0].endswith("new classes: elm")
    shutil.rmtree(root / "cedar")
    lines = since_champion(Versions(sweeping.store), opened(root))
    assert "classes that are gone: cedar" in lines[0]


def test_test_images_that_are_trained_on_now_are_said(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder(20)
    sweeping = Sweeping(tmp_path / "models", opened(root))
    sweeping.end(wrong=3)
    other = open_dataset(DataSettings(str(root), split_seed=1))
    [line] = since_champion(Versions(sweeping.store), other)
    assert (
        "of the 24 test images of champion version 1 would be trained or validated on now" in line
    )


def test_a_grown_collection_keeps_the_champion_s_test_images_in_test(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder(20)
    before = opened(root)
    sweeping = Sweeping(tmp_path / "models", before)
    versions = Versions(sweeping.store)
    assert kept_in_test(versions, before) == []
    sweeping.end(wrong=3)
    sweeping.store.log_dataset(str(versions.get("1").run_id), before, "training")
    assert kept_in_test(versions, before) == []
    write_classes(root, ("ash", "beech", "cedar"), 9, first=300)
    grown = opened(root)
    wanted = kept_in_test(versions, grown)
    tested = {before.catalog.images[row].digest for row in before.split.test}
    assert 0 < len(wanted) < len(tested)
    kept = grown.keeping(wanted)
    assert tested <= {kept.catalog.images[row].digest for row in kept.split.test}
    parts = kept.split.rows()
    assert sorted(row for part in parts for row in part) == list(range(87))
    assert kept_in_test(versions, kept) == []
    again = open_dataset(DataSettings.from_dict(kept.settings.to_dict()))
    assert again.split == kept.split
    assert kept_in_test(versions, open_dataset(DataSettings(str(root), "50/20/30"))) == []
    with pytest.raises(DataError, match="beside the test images of the champion"):
        grown.keeping([image.digest for image in grown.catalog.images])
