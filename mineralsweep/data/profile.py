"""What a catalogue looks like in numbers, and what a reader of scores on it must know."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mineralsweep.data.catalog import Catalog
from mineralsweep.data.dataset import Dataset


@dataclass(frozen=True)
class Spread:
    """Mean, median and quartiles of one length in pixels."""

    mean: float
    lower_quartile: float
    median: float
    upper_quartile: float


@dataclass(frozen=True)
class ClassProfile:
    """One class, or all of them together. `height` and `width` are None without images."""

    label: str
    count: int
    height: Spread | None
    width: Spread | None


def profile(catalog: Catalog) -> list[ClassProfile]:
    """Describe each class in order, then all together under the label "all"."""
    rows = [_describe(catalog, label) for label in catalog.classes]
    return [*rows, _describe(catalog, None)]


def _describe(catalog: Catalog, label: str | None) -> ClassProfile:
    facts = [image.facts for image in catalog.images if label in (None, image.label)]
    return ClassProfile(
        label or "all",
        len(facts),
        _spread([fact.height for fact in facts]),
        _spread([fact.width for fact in facts]),
    )


def _spread(lengths: list[int]) -> Spread | None:
    if not lengths:
        return None
    lower, median, upper = np.quantile(lengths, [0.25, 0.5, 0.75])
    return Spread(float(np.mean(lengths)), float(lower), float(median), float(upper))


FEW_IMAGES = 20
"""A class with fewer is warned of: with 20 % for validation, each image is 25 points of recall."""


def concerns(dataset: Dataset) -> list[str]:
    """Return one line a concern: near-duplicates, labels in doubt, small classes."""
    return [*_near_duplicates(dataset), *_across_classes(dataset), *_small_classes(dataset)]


def spanning(dataset: Dataset) -> list[list[int]]:
    """Return the groups, as rows, whose images stand in more than one class."""
    labels = dataset.labels()
    return [rows for rows in dataset.duplicates() if len({labels[row] for row in rows}) > 1]


def _near_duplicates(dataset: Dataset) -> list[str]:
    found = dataset.duplicates()
    if not found:
        return []
    count = sum(map(len, found))
    return [
        f"{count} images are near-duplicates, in {_groups(len(found))}: each group stands on one"
        " side of the split"
    ]


def _across_classes(dataset: Dataset) -> list[str]:
    lines = []
    for rows in spanning(dataset):
        files = dataset.files(rows)
        lines.append(
            f"Careful: {' and '.join(files)} look like one photograph, in different classes;"
            " one label must be wrong"
        )
    return lines


def _small_classes(dataset: Dataset) -> list[str]:
    lines = []
    train = Counter(dataset.labels()[row] for row in dataset.split.train)
    validation = Counter(dataset.labels()[row] for row in dataset.split.validation)
    for number, (label, count) in enumerate(dataset.catalog.counts().items()):
        if count < FEW_IMAGES:
            lines.append(
                f"Careful: class '{label}' has {count} images ({train[number]} to train on,"
                f" {validation[number]} for validation); its scores will say little"
            )
    return lines


def _groups(count: int) -> str:
    return "1 group" if count == 1 else f"{count} groups"
