"""What a sweep says of a collection that changed since its champion."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import DataError
from mineralsweep.registry import Earlier, Versions, learned_before
from tests.pictures import write_classes
from tests.registry.test_crowning import Sweeping

pytestmark = pytest.mark.usefixtures("store_made")

CLASSES = ("ash", "beech", "cedar")


def opened(root: Path) -> Dataset:
    return open_dataset(DataSettings(str(root)))


@dataclass
class Collection:
    """Sixty images whose champion is crowned by `crown`."""

    root: Path
    sweeping: Sweeping
    before: Dataset

    def crown(self) -> Earlier:
        self.sweeping.end(wrong=3)
        run = self.versions().get("1").run_id
        self.sweeping.store.log_dataset(str(run), self.before, "training")
        return self.earlier()

    def versions(self) -> Versions:
        return Versions(self.sweeping.store)

    def earlier(self) -> Earlier:
        found = learned_before(self.versions())
        assert found is not None
        return found


@pytest.fixture
def collection(make_folder: Callable[..., Path], tmp_path: Path) -> Collection:
    root = make_folder(20)
    before = opened(root)
    return Collection(root, Sweeping(tmp_path / "models", before), before)


def test_without_a_champion_and_without_a_change_nothing_is_said(
    collection: Collection, tmp_path: Path
) -> None:
    assert learned_before(collection.versions()) is None
    earlier = collection.crown()
    for path in list((collection.root / "ash").iterdir()):
        path.rename(path.with_name(f"renamed {path.name}"))
    assert earlier.changes(opened(collection.root)) == []
    others = write_classes(tmp_path / "others", CLASSES, 10, first=500)
    assert earlier.changes(opened(others)) == []


def test_what_changed_is_counted_and_named(collection: Collection) -> None:
    earlier, root, before = collection.crown(), collection.root, collection.before
    tested = [before.catalog.images[row] for row in before.split.test]
    moved = next(image for image in tested if image.label == "ash")
    shutil.move(moved.path, root / "beech" / "moved.png")
    before.catalog.images[before.split.train[0]].path.unlink()
    trained = [before.catalog.images[row] for row in before.split.train[1:]]
    shutil.move(next(one for one in trained if one.label == "ash").path, root / "cedar" / "now.png")
    write_classes(root, ("ash",), 4, first=300)
    write_classes(root, ("elm",), 10, first=400)
    lines = earlier.changes(opened(root))
    assert lines[0].startswith("Since champion version 1: 14 images added; 1 gone; ")
    assert "beech/moved.png (ash, now beech)" in lines[0]
    assert "cedar/now.png (ash, now cedar)" in lines[0]
    assert lines[0].endswith("new classes: elm")
    shutil.rmtree(root / "cedar")
    assert "classes that are gone: cedar" in earlier.changes(opened(root))[0]


def test_test_images_that_are_trained_on_now_are_said(collection: Collection) -> None:
    other = open_dataset(DataSettings(str(collection.root), split_seed=1))
    [line] = collection.crown().changes(other)
    trained_on = "of the 24 test images of champion version 1 would be trained or validated on now"
    assert trained_on in line
    assert line.endswith("--set data.split=40/20/40 data.split_seed=0")


def test_a_grown_collection_keeps_the_champion_s_test_images_in_test(
    collection: Collection,
) -> None:
    earlier, root, before = collection.crown(), collection.root, collection.before
    assert earlier.kept_in_test(before) == []
    write_classes(root, CLASSES, 9, first=300)
    grown = opened(root)
    wanted = earlier.kept_in_test(grown)
    tested = {before.catalog.images[row].digest for row in before.split.test}
    assert 0 < len(wanted) < len(tested)
    kept = grown.keeping(wanted)
    assert tested <= {kept.catalog.images[row].digest for row in kept.split.test}
    parts = kept.split.rows()
    assert sorted(row for part in parts for row in part) == list(range(87))
    assert earlier.kept_in_test(kept) == []
    again = open_dataset(DataSettings.from_dict(kept.settings.to_dict()))
    assert again.split == kept.split
    assert earlier.kept_in_test(open_dataset(DataSettings(str(root), "50/20/30"))) == []
    with pytest.raises(DataError, match="beside the test images of the champion"):
        grown.keeping([image.digest for image in grown.catalog.images])
