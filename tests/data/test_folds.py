"""Folds of the pool: stratified, grouped, seeded, and independent of file names."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.folds import folds
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import DataError

LABELS = [0] * 12 + [1] * 30 + [2] * 18


def test_each_image_is_validated_once_in_a_repeat() -> None:
    found = folds(LABELS, range(60), k=5, repeats=2, seed=0)
    assert len(found) == 10
    for start in (0, 5):
        validated = [row for _, rows in found[start : start + 5] for row in rows]
        assert sorted(validated) == list(range(60))
    for train, validation in found:
        assert sorted(train + validation) == list(range(60))


def test_classes_are_spread_evenly() -> None:
    for _, validation in folds(LABELS, range(60), k=6, repeats=1, seed=3):
        assert Counter(LABELS[row] for row in validation) == {0: 2, 1: 5, 2: 3}


def test_a_group_stands_in_one_fold() -> None:
    groups = [row // 3 for row in range(60)]
    for train, validation in folds(LABELS, groups, k=4, repeats=3, seed=0):
        assert not {groups[row] for row in train} & {groups[row] for row in validation}


def test_seeds_and_repeats_give_other_folds() -> None:
    first = folds(LABELS, range(60), 5, 2, seed=0)
    assert first == folds(LABELS, range(60), 5, 2, seed=0)
    assert first[:5] != first[5:]
    other = folds(LABELS, range(60), 5, 2, seed=1)
    assert first[5:] != other[:5]
    assert first[:5] != other[:5]


def test_a_class_with_fewer_groups_than_folds_is_refused() -> None:
    with pytest.raises(ValueError, match="class number 0: 4 groups of images, 5 folds"):
        folds(LABELS, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, *range(12, 60)], 5, 1, 0)


def test_the_test_split_is_in_no_fold(dataset: Dataset) -> None:
    for train, validation in dataset.folds(3):
        assert tuple(sorted(train + validation)) == dataset.pool()
        assert not set(train + validation) & set(dataset.split.test)


def test_file_names_change_nothing(dataset: Dataset, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed"
    for row, image in enumerate(dataset.catalog.images):
        target = renamed / image.label / f"{(row * 7919) % 97:02d}{image.path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, target)
    again = open_dataset(DataSettings(str(renamed), "60/20/20", 0))

    def digests(one: Dataset) -> list[set[str]]:
        return [{one.catalog.images[row].digest for row in fold} for _, fold in one.folds(3)]

    assert digests(again) == digests(dataset)


def test_too_many_folds_for_a_class_are_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"for 9 folds, .*: ash \(8\), beech \(8\), .*folds=8$"):
        dataset.folds(9)
