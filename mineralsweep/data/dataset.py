"""One data set ready for trials: its catalogue, its split or another one, its decoded arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from mineralsweep.data import arrays, duplicates
from mineralsweep.data.catalog import Catalog, readable
from mineralsweep.data.source import SOURCES, open_catalog
from mineralsweep.data.split import Rows, Split, folds, parse_shares, split
from mineralsweep.errors import DataError

NearDuplicates = Literal["group", "ignore"]


@dataclass(frozen=True)
class Dataset:
    """A catalogue and one split of it. Labels are positions in `classes`.

    `near_duplicates` has a group a row: equal for images that are one photograph, never to be
    divided; an image without near-duplicates has a number of its own.
    """

    source: str
    catalog: Catalog
    split: Split
    shares: str
    split_seed: int
    near_duplicates: tuple[int, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.catalog.classes

    @property
    def name(self) -> str:
        """A short name for people: that of the source, or the folder's own."""
        return self.source if self.source in SOURCES else self.catalog.root.resolve().name

    def labels(self) -> tuple[int, ...]:
        """Return one label an image, in the order of the rows."""
        return tuple(self.classes.index(image.label) for image in self.catalog.images)

    def duplicates(self) -> list[list[int]]:
        """Return the rows of each group of two or more images, sorted."""
        return duplicates.several(self.near_duplicates)

    def files(self, rows: Sequence[int]) -> list[str]:
        """Return the images' paths under the root, for people to read."""
        root = self.catalog.root
        return [readable(self.catalog.images[row].path.relative_to(root)) for row in rows]

    def arrays(self, size: tuple[int, int]) -> Path:
        """Return the file of decoded images at (height, width); see `arrays.ensure`."""
        return arrays.ensure(self.catalog, size)

    def pool(self) -> tuple[int, ...]:
        """Return the rows that a search may see: all but the test split, sorted."""
        return tuple(sorted(self.split.train + self.split.validation))

    def units(self, rows: Rows) -> dict[str, int]:
        """Return how many images of each class are among some rows, near-duplicates counted once.

        So many folds of them can be made.
        """
        labels = self.labels()
        return {
            name: len({self.near_duplicates[row] for row in rows if labels[row] == label})
            for label, name in enumerate(self.classes)
        }

    def folds(self, k: int, repeats: int = 1, rows: Rows | None = None) -> list[tuple[Rows, Rows]]:
        """Divide the pool, or other rows, whatever the files' names: `folds.folds`.

        Near-duplicates stay together.

        Returns:
            (train, validation) a fold: rows, sorted.

        Raises:
            DataError: a class is too small for so many folds.
        """
        images, labels = self.catalog.images, self.labels()
        rows = self.pool() if rows is None else rows
        ordered = sorted(rows, key=lambda row: (labels[row], images[row].digest))
        for name, own in self.units(rows).items():
            if own < k:
                raise DataError(
                    f"{self.catalog.root}: class '{name}' has {own} images outside the test split"
                    f" (near-duplicates counted once), too few for {k} folds; add images, or use"
                    " fewer folds"
                )
        groups = [self.near_duplicates[row] for row in ordered]
        divided = folds([labels[row] for row in ordered], groups, k, repeats, self.split_seed)
        return [
            (
                tuple(sorted(ordered[i] for i in train)),
                tuple(sorted(ordered[i] for i in validation)),
            )
            for train, validation in divided
        ]

    def describe(self) -> str:
        """Say in one line what is in it."""
        parts = self.split
        counts = ", ".join(f"{label} {count}" for label, count in self.catalog.counts().items())
        return (
            f"{self.name}: {len(self.catalog.images)} images ({counts}); train"
            f" {len(parts.train)}, validation {len(parts.validation)}, test {len(parts.test)}"
        )


def open_dataset(
    source: str,
    shares: str,
    split_seed: int,
    classes: Sequence[str] | None = None,
    near_duplicates: NearDuplicates = "group",
) -> Dataset:
    """Read the catalogue of `source` and split it.

    Args:
        source: see `source.open_catalog`.
        shares: train/validation/test in per cent, as "40/20/40".
        split_seed: another seed gives another split of the same shares.
        classes: the classes to keep; None keeps all.
        near_duplicates: "group" keeps them on one side of the split; "ignore" does not look.

    Raises:
        DataError: the folder can't be used, or a class is too small for the split.
        ConfigError: the shares don't add up.
    """
    catalog = open_catalog(source, classes)
    if near_duplicates == "group":
        groups = duplicates.groups(catalog)
    else:
        groups = tuple(range(len(catalog.images)))
    parts = split(catalog, parse_shares(shares), split_seed, groups)
    return Dataset(source, catalog, parts, shares, split_seed, groups)


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
            parts = split(
                dataset.catalog, parse_shares(self.shares), self.seed, dataset.near_duplicates
            )
            return replace(dataset, split=parts, shares=self.shares, split_seed=self.seed)
        every = tuple(range(len(dataset.catalog.images)))
        rest, test = dataset.folds(self.of, rows=every)[self.fold - 1]
        train, validation = dataset.folds(INNER_FOLDS, rows=rest)[0]
        parts = Split.of(dataset.catalog, train, validation, test)
        return replace(dataset, split=parts, shares=str(self))
