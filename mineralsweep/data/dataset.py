"""One data set ready for trials: its catalogue, its split or another one, its decoded arrays."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from mineralsweep.data import arrays, duplicates
from mineralsweep.data import groups as grouping
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.folds import folds
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import SOURCES, open_catalog
from mineralsweep.data.split import (
    Rows,
    Split,
    parse_shares,
    ready_made,
    split,
    way_on,
    with_test,
)
from mineralsweep.data.work import Say, silent
from mineralsweep.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """A catalogue and one split of it. Labels are positions in `classes`.

    Attributes:
        settings: that it was opened with.
        shares: of the split, as people write them, or who divided it: "folders", "column".
        near_duplicates: a group a row: equal for images that are one photograph.
        groups: a group a row: equal for images that are never to be divided, near-duplicates among
            them; an image that belongs to no other has a number of its own.
    """

    settings: DataSettings
    catalog: Catalog
    split: Split
    shares: str
    split_seed: int
    near_duplicates: tuple[int, ...]
    groups: tuple[int, ...]

    @property
    def source(self) -> str:
        return self.settings.source

    @property
    def classes(self) -> tuple[str, ...]:
        return self.catalog.classes

    @property
    def name(self) -> str:
        """A short name for people: that of the source, or the folder's own."""
        if self.source in SOURCES:
            return self.source
        return Path(self.source).resolve().stem if self.catalog.listing.is_table else self._folder()

    def _folder(self) -> str:
        return self.catalog.root.resolve().name

    def place(self) -> str:
        """Return where the source lies: a folder, or a table."""
        return self.source if self.catalog.listing.is_table else str(self.catalog.root)

    def labels(self) -> tuple[int, ...]:
        """Return one label an image, in the order of the rows."""
        return self._labels

    @functools.cached_property
    def _labels(self) -> tuple[int, ...]:
        number = {name: place for place, name in enumerate(self.classes)}
        return tuple(number[image.label] for image in self.catalog.images)

    def given(self) -> bool:
        """Say whether the split is that which the source came with."""
        return bool(self.catalog.listing.divided_by) and not self.settings.redivide

    def keeping(self, in_test: Sequence[str]) -> Dataset:
        """Return the data set with some images, by their digests, in the test part.

        Raises:
            DataError: a class would have none in another part.
        """
        if not in_test or self.given():
            return self
        parts = with_test(self.catalog, self.split, in_test, self.groups)
        asked = replace(self.settings, in_test=tuple(in_test))
        return replace(self, settings=asked, split=parts)

    def related(self) -> tuple[int, ...]:
        """Return `groups`, with near-duplicates that the split was made without looking for."""
        return grouping.together(
            self.catalog, self.settings.groups, duplicates.groups(self.catalog)
        )

    def duplicates(self) -> list[list[int]]:
        """Return the rows of each group of two or more near-duplicates, sorted."""
        return grouping.several(self.near_duplicates)

    def files(self, rows: Sequence[int]) -> list[str]:
        """Return the images' paths under the root, for people to read."""
        return [self.catalog.file(row) for row in rows]

    def arrays(self, size: tuple[int, int]) -> Path:
        """Return the file of decoded images at (height, width); see `arrays.ensure`."""
        return arrays.ensure(self.catalog, size)

    def pool(self) -> tuple[int, ...]:
        """Return the rows that a search may see: all but the test split, sorted."""
        return tuple(sorted(self.split.train + self.split.validation))

    def units(self, rows: Rows) -> dict[str, int]:
        """Return how many groups of images of each class are among some rows.

        So many folds of them can be made.
        """
        images = self.catalog.images
        held: dict[str, set[int]] = {name: set() for name in self.classes}
        for row in rows:
            held[images[row].label].add(self.groups[row])
        return {name: len(groups) for name, groups in held.items()}

    def folds(self, k: int, repeats: int = 1, rows: Rows | None = None) -> list[tuple[Rows, Rows]]:
        """Divide the pool, or other rows, whatever the files' names: `split.folds`.

        Groups stay together.

        Returns:
            (train, validation) a fold: rows, sorted.

        Raises:
            DataError: a class is too small for so many folds.
        """
        images, labels = self.catalog.images, self.labels()
        rows = self.pool() if rows is None else rows
        ordered = sorted(rows, key=lambda row: (labels[row], images[row].digest))
        self._check_folds(rows, k)
        together = [self.groups[row] for row in ordered]
        divided = folds([labels[row] for row in ordered], together, k, repeats, self.split_seed)
        return [
            (
                tuple(sorted(ordered[i] for i in train)),
                tuple(sorted(ordered[i] for i in validation)),
            )
            for train, validation in divided
        ]

    def _check_folds(self, rows: Rows, k: int) -> None:
        units = self.units(rows)
        small = [name for name, own in units.items() if own < k]
        if not small:
            return
        told = ", ".join(f"{name} ({units[name]})" for name in small)
        fewest = min(units.values())
        fewer = f", or make fewer folds: --set folds={fewest}" if fewest > 1 else ""
        raise DataError(
            f"{self.catalog.root}: classes with too few images outside the test split for {k}"
            f" folds, near-duplicates and groups counted once: {told};"
            f" {way_on(self.catalog, small, fewer)}"
        )

    def describe(self) -> str:
        """Say in one line what is in it."""
        parts = self.split
        counts = ", ".join(f"{label} {count}" for label, count in self.catalog.counts().items())
        return (
            f"{self.name}: {len(self.catalog.images)} images ({counts}); train"
            f" {len(parts.train)}, validation {len(parts.validation)}, test {len(parts.test)}"
        )


def open_dataset(asked: DataSettings, say: Say = silent) -> Dataset:
    """Read the catalogue of a source and split it; `say` is told of what takes long.

    Raises:
        DataError: the source can't be used, or a class is too small for the split.
        ConfigError: the shares don't add up.
    """
    return divide(open_catalog(asked, say), asked, say)


def divide(catalog: Catalog, asked: DataSettings, say: Say = silent) -> Dataset:
    """Split a catalogue, as `open_dataset` does."""
    copies = tuple(range(len(catalog.images)))
    if asked.near_duplicates == "group":
        copies = duplicates.groups(catalog, say)
    together = grouping.together(catalog, asked.groups, copies)
    shares = parse_shares(asked.shares)
    if catalog.listing.divided_by and not asked.redivide:
        told = catalog.listing.divided_by
        parts = ready_made(catalog, shares, asked.split_seed, together)
    elif asked.split in ("folders", "column"):
        raise DataError(
            f"{asked.source}: data.split: {asked.split}, and it has no folders train/ and test/ or"
            " val/, nor a table's column split; give shares, such as --set data.split=40/20/40"
        )
    else:
        parts, told = split(catalog, shares, asked.split_seed, together), asked.shares
        parts = with_test(catalog, parts, asked.in_test, together)
    return Dataset(asked, catalog, parts, told, asked.split_seed, copies, together)


INNER_FOLDS = 5
"""Of what a fold leaves to train on, one part in so many chooses the epoch that is kept."""

SPLIT = re.compile(r"([\d/]+), seed (\d+)")
FOLD = re.compile(r"fold (\d+) of (\d+)")


@dataclass(frozen=True)
class Division:
    """A single split, or one fold of all images: the fold is the test part.

    Near-duplicates stand on one side. Of the images outside the fold, one part in five chooses
    the epoch whose weights are kept, and the rest is trained on: the fold itself has no say.

    Attributes:
        shares: of a split, such as "40/20/40"; "" for a fold.
        seed: of a split.
        fold: from 1; 0 for a split.
        of: folds in all, at least 2; 0 for a split.
    """

    shares: str = ""
    seed: int = 0
    fold: int = 0
    of: int = 0

    def __str__(self) -> str:
        return f"fold {self.fold} of {self.of}" if self.fold else f"{self.shares}, seed {self.seed}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gave.

        Raises:
            ValueError: it is something else.
        """
        fold = FOLD.fullmatch(text)
        if fold:
            return cls(fold=int(fold[1]), of=int(fold[2]))
        single = SPLIT.fullmatch(text)
        if single:
            return cls(shares=single[1], seed=int(single[2]))
        raise ValueError(f"no division of images: '{text}'")

    def apply(self, dataset: Dataset) -> Dataset:
        """Return the data set with this division.

        Raises:
            DataError: a class is too small for it.
        """
        if not self.fold:
            parts = split(dataset.catalog, parse_shares(self.shares), self.seed, dataset.groups)
            return replace(dataset, split=parts, shares=self.shares, split_seed=self.seed)
        every = tuple(range(len(dataset.catalog.images)))
        rest, test = dataset.folds(self.of, rows=every)[self.fold - 1]
        train, validation = dataset.folds(INNER_FOLDS, rows=rest)[0]
        parts = Split.of(dataset.catalog, train, validation, test)
        return replace(dataset, split=parts, shares=str(self))
