"""Which images belong together, and must never stand on both sides of a split."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mineralsweep.data.catalog import Catalog, CatalogImage, Copy
from mineralsweep.data.settings import DataSettings, GroupRule
from mineralsweep.errors import DataError

NUMBERED = re.compile(
    r"(?:(.*\d.*?)[ _.-]+[A-Za-z]*[ _-]?\(?\d+\)?|(.*\d)(?:[ _.-]+[A-Za-z]{1,12}|[A-Za-z]))"
)
"""The stem of a name such as rock07_view3, rock07-top or rock7a: what stands before the last
number, word or letter names a specimen."""
DATED = re.compile(r"(19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d")
"""A camera's own name, of a day: what it took one after the other need not be one specimen."""
LEAST = 3
"""Groups of each class, or images that belong to none, without which there is no split."""
SUGGESTED_FROM = 0.5
"""Share of the images in groups of two or more, from which names are said to suggest groups."""


def joined(count: int, found: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return one group a row, from pairs of rows that belong together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones, others = np.array(found, np.int64).reshape(-1, 2).T
    linked = coo_array((np.ones(len(ones)), (ones, others)), shape=(count, count))
    _, place = connected_components(linked, directed=False)
    _, first = np.unique(place, return_index=True)
    return tuple(first[place].tolist())


def several(groups: Sequence[int]) -> list[list[int]]:
    """Return the rows of each group of two or more images, sorted."""
    rows: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return [found for found in rows.values() if len(found) > 1]


def together(
    catalog: Catalog, rule: GroupRule | None, near_duplicates: Sequence[int]
) -> tuple[int, ...]:
    """Return one group a row: near-duplicates, and what the rule or a table puts together.

    A group's name means the same group in every class.

    Args:
        catalog: the images.
        rule: None: none beside what a table's group column says.
        near_duplicates: a group a row, of `duplicates.groups`.

    Raises:
        DataError: no image has a group by the rule.
    """
    names = [_names(image, catalog, rule) for image in catalog.images]
    if rule is not None and names and not any(names):
        raise DataError(f"{catalog.root}: data.groups: {_why_none(catalog, rule)}")
    pairs = [*enumerate(near_duplicates)]
    first: dict[str, int] = {}
    pairs += [(first.setdefault(name, row), row) for row, own in enumerate(names) for name in own]
    return joined(len(names), pairs)


def _names(image: CatalogImage, catalog: Catalog, rule: GroupRule | None) -> list[str]:
    """Return the names of an image's groups: its own, and those of its copies."""
    every = (Copy(image.path, image.group), *image.copies)
    return [name for name in (_name(one, catalog, rule) for one in every) if name]


def _name(file: Copy, catalog: Catalog, rule: GroupRule | None) -> str:
    """Return the name of a file's group, "" without one."""
    if rule is None:
        return file.group if catalog.listing.is_table else ""
    if rule.by == "name":
        return _specimen(file.path)
    if rule.by != "pattern":
        return file.group if catalog.listing.is_table == (rule.by == "column") else ""
    found = re.search(rule.value, file.path.name)
    return "\0".join(text or "" for text in found.groups() or (found[0],)) if found else ""


def _specimen(path: Path) -> str:
    """Return the part of a file's name that its other views have too; "" without one."""
    found = NUMBERED.fullmatch(path.stem)
    return (found[1] or found[2]) if found else ""


def _why_none(catalog: Catalog, rule: GroupRule) -> str:
    example = catalog.images[0].path.name
    if rule.by == "name":
        return (
            f"no file's name is that of a specimen and a number, as rock07_2 is; one is {example}"
        )
    if rule.by == "pattern":
        return f"no file's name matches {rule.value}; one is {example}"
    if catalog.listing.is_table:
        return 'a table\'s groups are a column of it: --set "data.groups={column: NAME}"'
    if rule.by == "column":
        return "only a table has columns; give one, as in --data labels.csv"
    return "no class folder has folders of its own, which would be the groups"


@dataclass(frozen=True)
class Suggestion:
    """Groups that names seem to tell of, which nobody asked for.

    Attributes:
        images: how many stand in groups of two or more.
        groups: how many these are.
        examples: two file names of one of them.
        setting: what would use them, for `--set`.
    """

    images: int
    groups: int
    examples: tuple[str, str]
    setting: str

    def __str__(self) -> str:
        return (
            f"names suggest several photographs of one specimen: {self.images} images in"
            f" {self.groups} groups, such as {' and '.join(self.examples)}. If so, scores are too"
            f" high unless they stay on one side: --set {self.setting}"
        )


def suggested(catalog: Catalog) -> Suggestion | None:
    """Say what groups folders or file names seem to tell of; None: none.

    Images that have a group are passed over, and names of which no split could be made.
    """
    by_folder: defaultdict[str, list[int]] = defaultdict(list)
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for row, image in enumerate(catalog.images):
        if image.group and not catalog.listing.is_table:
            by_folder[image.group].append(row)
        if not (image.group and catalog.listing.is_table) and not DATED.search(image.path.stem):
            by_name[_specimen(image.path)].append(row)
    by_name.pop("", None)
    for named, setting in ((by_folder, "data.groups=folder"), (by_name, "data.groups=name")):
        groups = [rows for rows in named.values() if len(rows) > 1]
        images = sum(map(len, groups))
        enough = images >= SUGGESTED_FROM * len(catalog.images)
        if len(groups) > 1 and enough and _can_be_divided(catalog, groups):
            first, second = min(sorted(map(catalog.file, rows))[:2] for rows in groups)
            return Suggestion(images, len(groups), (first, second), setting)
    return None


def _can_be_divided(catalog: Catalog, groups: Sequence[Sequence[int]]) -> bool:
    """Say whether most images are of classes with groups enough for every part of a split."""
    grouped = {row for rows in groups for row in rows}
    units = Counter(
        label for rows in groups for label in {catalog.images[row].label for row in rows}
    )
    units.update(image.label for row, image in enumerate(catalog.images) if row not in grouped)
    enough = {label for label in catalog.classes if units[label] >= LEAST}
    images = sum(image.label in enough for image in catalog.images)
    return len(enough) > 1 and 2 * images > len(catalog.images)


def unasked(catalog: Catalog, asked: DataSettings) -> Suggestion | None:
    """Return `suggested` where no groups are set; None where they are."""
    return None if asked.groups is not None else suggested(catalog)


def counted(catalog: Catalog, rule: GroupRule | None) -> tuple[int, int]:
    """Return how many groups a rule or a table names, and how many images have none."""
    names = [_names(image, catalog, rule) for image in catalog.images]
    return len({name for own in names for name in own}), names.count([])


def in_several_classes(catalog: Catalog, groups: Sequence[int]) -> int:
    """Return how many groups have images of more than one class."""
    classes: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for image, group in zip(catalog.images, groups, strict=True):
        classes[group][image.label] += 1
    return sum(len(found) > 1 for found in classes.values())
