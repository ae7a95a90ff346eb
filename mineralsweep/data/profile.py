"""What a catalogue looks like in numbers, and what a reader of scores on it must know."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mineralsweep.data import groups
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.listing import PARTS
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.split import lacking


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


NAMED = 10
"""Classes named in a line."""
FEW_IMAGES = 20
"""A class with fewer is warned of: with 20 % for validation, each image is 25 points of recall."""


def concerns(dataset: Dataset) -> list[str]:
    """Return one line a concern: the split, what belongs together, labels, small classes."""
    catalog, asked = dataset.catalog, dataset.settings
    return [
        *of_catalog(catalog, asked),
        *_cut_out(dataset),
        *_grouped(dataset),
        *_near_duplicates(dataset),
        *_crossing(dataset),
        *_across_classes(dataset),
        *_small_classes(dataset),
    ]


def of_catalog(catalog: Catalog, asked: DataSettings) -> list[str]:
    """Return the concerns that don't ask how the images are divided; it may be that they can't."""
    return [
        *_spelled_alike(catalog, asked),
        *_trimmed(catalog),
        *catalog.left_out,
        *_ready_made(catalog, asked),
        *ungrouped(catalog, asked),
        *_deep(catalog),
    ]


def spellings(classes: Sequence[str]) -> list[list[str]]:
    """Return the classes whose names differ by case, blanks, "_" and "-" alone, together."""
    named: dict[str, list[str]] = {}
    for name in classes:
        key = re.sub(r"[\s_-]+", "", name.casefold())
        named.setdefault(key or name, []).append(name)
    return [names for names in named.values() if len(names) > 1]


def _spelled_alike(catalog: Catalog, asked: DataSettings) -> list[str]:
    return [
        f"Careful: {' and '.join(map(repr, names))} are {len(names)} classes; if they are one, give"
        f" them one name: mineralsweep data fix {shlex.quote(asked.source)}"
        for names in spellings(catalog.classes)
    ]


def _trimmed(catalog: Catalog) -> list[str]:
    if not catalog.listing.trimmed:
        return []
    named = ", ".join(map(repr, catalog.listing.trimmed[:NAMED]))
    return [f"Labels with blanks around them, which were taken off: {named}"]


def _ready_made(catalog: Catalog, asked: DataSettings) -> list[str]:
    """Say whose the split is, where the data was divided already."""
    by = catalog.listing.divided_by
    if not by:
        return []
    what = "folders train/, val/, test/" if by == "folders" else "column split"
    if asked.redivide:
        return [f"Its {what} are passed over: data.redivide"]
    return [
        f"Divided already, by its {what}: used as the split; to divide it anew, near-duplicates on"
        " one side: --set data.redivide=true"
    ]


def _cut_out(dataset: Dataset) -> list[str]:
    """Say which part a ready-made split lacked."""
    if not dataset.given():
        return []
    return [
        f"It has no {part} part: {len(getattr(dataset.split, part))} images were cut out of its"
        f" train part, by the shares {dataset.settings.shares}"
        for part in lacking(dataset.catalog)
    ]


def ungrouped(catalog: Catalog, asked: DataSettings) -> list[str]:
    """Ask whether images belong together, where names or a column suggest it and none is set."""
    told = groups.unasked(catalog, asked)
    if told:
        return [f"Careful: {told}"]
    if asked.groups is None and catalog.listing.unused:
        return [
            f"Careful: the table has the column '{name}', which is not used. If it tells which"
            f" images belong together: --set {shlex.quote(f'data.groups={{column: {name}}}')}"
            for name in catalog.listing.unused
        ]
    return []


def _deep(catalog: Catalog) -> list[str]:
    """Say how images of 16 bits a sample are scaled, and by which of them."""
    rows = [row for row, image in enumerate(catalog.images) if image.facts.bits]
    if not rows:
        return []
    widest = max(rows, key=lambda row: catalog.images[row].facts.bits)
    return [
        f"{len(rows)} images have 16 bits a sample; they are scaled by {catalog.bits} bits, which"
        f" {catalog.file(widest)} uses"
    ]


def _grouped(dataset: Dataset) -> list[str]:
    """Say how many groups there are."""
    rule, catalog = dataset.settings.groups, dataset.catalog
    count, alone = groups.counted(catalog, rule)
    if not count:
        return []
    without = f"; {alone} images have none, and stand alone" if alone else ""
    lines = [f"Groups: {count}, each on one side of the split and in one fold{without}"]
    mixed = groups.in_several_classes(catalog, dataset.groups)
    if mixed:
        lines.append(
            f"Careful: images of more than one class stand in {_groups(mixed)}: the same name means"
            " one group in every class"
        )
    return lines


def _crossing(dataset: Dataset) -> list[str]:
    """Warn of images that belong together and stand in several parts of a ready-made split."""
    parts = dataset.split
    side = {row: part for part in PARTS for row in getattr(parts, part)}
    found = [
        rows for rows in groups.several(dataset.groups) if len({side[row] for row in rows}) > 1
    ]
    if not found:
        return []
    shown = " and ".join(dataset.files(found[0][:2]))
    return [
        f"Careful: {_groups(len(found))} of near-duplicates or of one specimen stand in several"
        f" parts of the split that the data came with, such as {shown}: scores are too high; --set"
        " data.redivide=true keeps them on one side"
    ]


def spanning(dataset: Dataset) -> list[list[int]]:
    """Return the groups, as rows, whose images stand in more than one class."""
    labels = dataset.labels()
    return [rows for rows in dataset.duplicates() if len({labels[row] for row in rows}) > 1]


def _near_duplicates(dataset: Dataset) -> list[str]:
    found = dataset.duplicates()
    if not found:
        return []
    count, kept = sum(map(len, found)), not dataset.given()
    stands = ": each group stands on one side of the split" if kept else ""
    return [f"{count} images are near-duplicates, in {_groups(len(found))}{stands}"]


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
    labels, split = dataset.labels(), dataset.split
    train = Counter(labels[row] for row in split.train)
    validation = Counter(labels[row] for row in split.validation)
    few = [
        f"{label} {count} ({train[number]} to train on, {validation[number]} for validation)"
        for number, (label, count) in enumerate(dataset.catalog.counts().items())
        if count < FEW_IMAGES
    ]
    if not few:
        return []
    more = f", and {len(few) - NAMED} more classes" if len(few) > NAMED else ""
    return [f"Careful: few images of {', '.join(few[:NAMED])}{more}: their scores will say little"]


def _groups(count: int) -> str:
    return "1 group" if count == 1 else f"{count} groups"
