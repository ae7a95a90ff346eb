"""Another division of the same images, by a name that stands in a trial's parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from mineralsweep.data.dataset import Dataset
from mineralsweep.data.split import Split, parse_shares, split

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
            parts = split(dataset.catalog, parse_shares(self.shares), self.seed, dataset.groups())
            return replace(dataset, split=parts, shares=self.shares, split_seed=self.seed)
        every = tuple(range(len(dataset.catalog.images)))
        rest, test = dataset.folds(self.of, rows=every)[self.fold - 1]
        train, validation = dataset.folds(INNER_FOLDS, rows=rest)[0]
        parts = Split.of(dataset.catalog, train, validation, test)
        return replace(dataset, split=parts, shares=str(self))
