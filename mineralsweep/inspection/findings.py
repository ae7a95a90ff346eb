"""Everything that a look at a catalogue finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mineralsweep.data import duplicates
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.names import readable
from mineralsweep.data.split import PARTS, parse_shares, split
from mineralsweep.errors import DataError
from mineralsweep.inspection.doubts import Doubts, Outlier, doubts, numbers, outliers

SHARES = "40/20/40"
"""The split that groups are tried against: the default of a sweep file, with its seed 0."""


@dataclass(frozen=True)
class Group:
    """Rows of one photograph.

    `sides` are the parts of the split that they would stand on, were they not kept together; one
    alone where they would not be divided, none where the folder can't be split.
    """

    rows: tuple[int, ...]
    classes: tuple[str, ...]
    sides: tuple[str, ...]

    @property
    def crosses(self) -> bool:
        """Whether the split would have divided it."""
        return len(self.sides) > 1


@dataclass(frozen=True)
class Findings:
    """A catalogue and what is to be known of it."""

    catalog: Catalog
    groups: tuple[Group, ...]
    doubts: Doubts
    outliers: tuple[Outlier, ...]

    def file(self, row: int) -> str:
        """Return an image's path under the root, as text."""
        return readable(self.catalog.images[row].path.relative_to(self.catalog.root))


def examine(catalog: Catalog) -> Findings:
    """Look for near-duplicates, labels in doubt, and images unlike the others.

    Raises:
        DataError: a file was removed or changed since the catalogue was read.
    """
    together = duplicates.groups(catalog)
    groups = _groups(catalog, together)
    if not catalog.images:
        return Findings(catalog, groups, Doubts((), None, "there are no images"), ())
    labels = [catalog.classes.index(image.label) for image in catalog.images]
    values = numbers(catalog)
    found = doubts(values, labels, together, catalog.classes)
    return Findings(catalog, groups, found, outliers(values, together))


def _groups(catalog: Catalog, together: Sequence[int]) -> tuple[Group, ...]:
    sides = _sides(catalog)
    found = []
    for rows in duplicates.several(together):
        labels = sorted({catalog.images[row].label for row in rows})
        parts = [part for part in PARTS if part in {sides.get(row) for row in rows}]
        found.append(Group(tuple(rows), tuple(labels), tuple(parts)))
    return tuple(sorted(found, key=lambda group: (len(group.classes) < 2, group.rows)))


def _sides(catalog: Catalog) -> dict[int, str]:
    """Return the part of each row in a split that knows nothing of near-duplicates."""
    try:
        parts = split(catalog, parse_shares(SHARES), 0)
    except DataError:
        return {}
    named = zip(PARTS, (parts.train, parts.validation, parts.test), strict=True)
    return {row: part for part, rows in named for row in rows}
