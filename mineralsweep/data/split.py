"""Seeded, stratified splits that depend on the images' content alone, and ready-made ones."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

from mineralsweep.data.catalog import Catalog
from mineralsweep.data.listing import PARTS, Part
from mineralsweep.errors import ConfigError, DataError

PRESETS = ("72/18/10", "40/20/40")
"""The study's two: model 1 used the first, every other variant the second."""


Rows = tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Row numbers of `Catalog.images`, each part sorted; the parts are disjoint and cover all."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    digest: str

    def rows(self) -> tuple[Rows, Rows, Rows]:
        """Return the parts in the order of PARTS."""
        return self.train, self.validation, self.test

    @classmethod
    def of(
        cls, catalog: Catalog, train: Sequence[int], validation: Sequence[int], test: Sequence[int]
    ) -> Self:
        """Return a split of given rows, in any order."""
        parts = (tuple(sorted(train)), tuple(sorted(validation)), tuple(sorted(test)))
        return cls(*parts, _digest(catalog, parts))


def parse_shares(text: str) -> tuple[int, int, int]:
    """Read shares such as "72/18/10": whole per cents for train, validation and test.

    Raises:
        ConfigError: not three whole numbers of at least 1 that add up to 100.
    """
    try:
        shares = tuple(int(part) for part in text.split("/"))
    except ValueError:
        shares = ()
    if len(shares) != 3 or min(shares) < 1 or sum(shares) != 100:
        raise ConfigError(
            f"must be train/validation/test in per cent, adding up to 100, got '{text}';"
            f" write for example {PRESETS[0]} or {PRESETS[1]}"
        )
    return shares[0], shares[1], shares[2]


def split(
    catalog: Catalog, shares: tuple[int, int, int], seed: int, groups: Sequence[int] | None = None
) -> Split:
    """Divide the images of each class by `shares`, as near as whole groups allow.

    Images of one group land on one side. Groups are placed first; single images fill the parts up,
    in the order of SHA-256(seed, content digest): the same on every machine, whatever the file
    names, and an added image moves few others.

    Args:
        catalog: the images.
        shares: train, validation and test in per cent.
        seed: another one gives another split.
        groups: one group a row, see `groups.together`; None: each image is its own.

    Raises:
        DataError: fewer than 2 classes, or a class too small for one image in every part.
    """
    _check_classes(catalog)
    every = range(len(catalog.images))
    parts = _divide(catalog, every, shares, seed, groups or every)
    _check_parts(catalog, parts, f"for a {'/'.join(map(str, shares))} split")
    return Split.of(catalog, *parts)


def ready_made(
    catalog: Catalog, shares: tuple[int, int, int], seed: int, groups: Sequence[int]
) -> Split:
    """Return the split that the source has itself; a part that it lacks is cut out of train.

    Images that belong together stay on the sides where the source has them.

    Args:
        catalog: the images, with their parts.
        shares, seed, groups: as of `split`, for the part that is lacking.

    Raises:
        DataError: fewer than 2 classes, or a class is not in every part.
    """
    _check_classes(catalog)
    rows: dict[Part, list[int]] = {part: [] for part in PARTS}
    for row, image in enumerate(catalog.images):
        rows[image.part or "train"].append(row)
    for part in lacking(catalog):
        of = PARTS.index(part)
        cut = _divide(catalog, rows["train"], (shares[0], shares[of]), seed, groups)
        rows["train"], rows[part] = cut
    _check_parts(catalog, [rows[part] for part in PARTS], "for the split that they come with")
    return Split.of(catalog, *(rows[part] for part in PARTS))


def with_test(
    catalog: Catalog, parts: Split, in_test: Sequence[str], groups: Sequence[int]
) -> Split:
    """Return a split with some images, and those that belong to them, in the test part.

    Args:
        catalog: the images.
        parts: the split.
        in_test: digests; those of images that are not there count for nothing.
        groups: one group a row.

    Raises:
        DataError: a class would have no image in another part.
    """
    wanted = set(in_test)
    moved = {groups[row] for row, image in enumerate(catalog.images) if image.digest in wanted}
    if not moved:
        return parts
    test = [row for row, group in enumerate(groups) if group in moved]
    rest = [[row for row in part if groups[row] not in moved] for part in parts.rows()]
    divided = [rest[0], rest[1], sorted({*rest[2], *test})]
    _check_parts(catalog, divided, "beside the test images of the champion")
    return Split.of(catalog, *divided)


def lacking(catalog: Catalog) -> list[Part]:
    """Return the parts that a source that is divided does not have."""
    there = {image.part for image in catalog.images}
    return [part for part in PARTS if part not in there]


_Room = dict[str, list[int]]
"""How many images of a class each part may still take; below 0 where a group was too large."""
_Parts = list[list[int]]


def _divide(
    catalog: Catalog,
    rows: Sequence[int],
    shares: Sequence[int],
    seed: int,
    groups: Sequence[int],
) -> _Parts:
    """Divide some rows into as many parts as there are shares."""
    counts = Counter(catalog.images[row].label for row in rows)
    room = {label: list(_sizes(count, shares)) for label, count in counts.items()}
    parts: _Parts = [[] for _ in shares]
    units = _units(rows, groups)
    _place_groups(catalog, [unit for unit in units if len(unit) > 1], shares, seed, room, parts)
    _place_single(catalog, [unit[0] for unit in units if len(unit) == 1], seed, room, parts)
    return parts


YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
NAMED = 20
"""Classes named in an error."""


def _check_classes(catalog: Catalog) -> None:
    if len(catalog.classes) < 2:
        why = " ".join(catalog.left_out) or "give a folder with one sub-folder a class"
        found = f"1 class ({catalog.classes[0]})" if catalog.classes else "no class"
        raise DataError(f"{catalog.root}: {found}, at least 2 are needed; {why}")


def _check_parts(catalog: Catalog, parts: Sequence[Sequence[int]], what_for: str) -> None:
    """Raise DataError that names every class which is not in every part."""
    images, counts = catalog.images, catalog.counts()
    held = [{images[row].label for row in part} for part in parts]
    lack = {
        label: [part for part, there in zip(PARTS, held, strict=True) if label not in there]
        for label in catalog.classes
    }
    small = [label for label in catalog.classes if lack[label]]
    if not small:
        return
    told = [f"{label} ({counts[label]}; none in {' and '.join(lack[label])})" for label in small]
    if len(told) > NAMED:
        told = [*told[:NAMED], f"and {len(told) - NAMED} more"]
    raise DataError(
        f"{catalog.root}: classes with too few usable images {what_for}, near-duplicates and groups"
        f" on one side: {', '.join(told)}; {way_on(catalog, small)}"
    )


def way_on(catalog: Catalog, small: Sequence[str], more: str = "") -> str:
    """Return what can be done about classes that are too small, with what leaves them out.

    Args:
        catalog: the images.
        small: the classes.
        more: another way on, between the two.
    """
    stay = [label for label in catalog.classes if label not in small]
    if len(stay) < 2:
        return f"add images{more}"
    out = f"leave {'it' if len(small) == 1 else 'them'} out"
    return f"add images{more}, or {out}: {_left_out(catalog, small, stay)}"


def _left_out(catalog: Catalog, small: Sequence[str], stay: Sequence[str]) -> str:
    counts = catalog.counts()
    least = 1 + max(counts[label] for label in small)
    if not catalog.listing.divided_by and all(counts[label] >= least for label in stay):
        return f"--set data.min_images={least}"
    return f"--set {shlex.quote(f'data.classes=[{listed(stay)}]')}"


def listed(labels: Sequence[str]) -> str:
    """Return labels as YAML has them within brackets."""
    return ", ".join(map(_quoted, labels))


def _quoted(label: str) -> str:
    """Quote what YAML would read as something else, such as no, null or 1.0."""
    plain = re.fullmatch(r"[A-Za-z][\w-]*", label, re.ASCII) and label.lower() not in YAML_WORDS
    return label if plain else "'" + label.replace("'", "''") + "'"


def _units(rows: Sequence[int], groups: Sequence[int]) -> list[list[int]]:
    """Return the rows of each group."""
    by_group: dict[int, list[int]] = {}
    for row in rows:
        by_group.setdefault(groups[row], []).append(row)
    return list(by_group.values())


def _place_groups(
    catalog: Catalog,
    units: list[list[int]],
    shares: Sequence[int],
    seed: int,
    room: _Room,
    parts: _Parts,
) -> None:
    """Put each group into the part that its rank falls into, or the next one with room for it."""

    def rank(rows: list[int]) -> str:
        return _rank(seed, "+".join(sorted(catalog.images[row].digest for row in rows)))

    for rows in sorted(units, key=lambda rows: (-len(rows), rank(rows))):
        needed = Counter(catalog.images[row].label for row in rows)
        slack = [min(room[label][i] - needed[label] for label in needed) for i in range(len(parts))]
        first = _part_at(int(rank(rows)[:8], 16) / 2**32 * sum(shares), shares)
        turn = [(first + step) % len(parts) for step in range(len(parts))]
        part = next((i for i in turn if slack[i] >= 0), max(turn, key=lambda i: slack[i]))
        parts[part].extend(rows)
        for label, count in needed.items():
            room[label][part] -= count


def _part_at(per_cent: float, shares: Sequence[int]) -> int:
    return sum(per_cent >= end for end in accumulate(shares[:-1]))


def _place_single(catalog: Catalog, rows: list[int], seed: int, room: _Room, parts: _Parts) -> None:
    by_class: dict[str, list[int]] = {label: [] for label in room}
    for row in rows:
        by_class[catalog.images[row].label].append(row)
    for label, sizes in room.items():
        of_class = sorted(by_class[label], key=lambda row: _rank(seed, catalog.images[row].digest))
        start = 0
        for part, size in zip(parts, _without_debt(sizes), strict=True):
            part.extend(of_class[start : start + size])
            start += size


def _without_debt(sizes: list[int]) -> list[int]:
    """Take what a part has too much of from the parts with the most room."""
    settled = [max(size, 0) for size in sizes]
    for _ in range(sum(settled) - sum(sizes)):
        settled[settled.index(max(settled))] -= 1
    return settled


def _rank(seed: int, digest: str) -> str:
    return hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest()


def _sizes(count: int, shares: Sequence[int]) -> tuple[int, ...]:
    """Largest-remainder rounding: sizes add up to `count`."""
    exact = [count * share / sum(shares) for share in shares]
    sizes = [int(value) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (sizes[i] - exact[i], i))
    for i in by_remainder[: count - sum(sizes)]:
        sizes[i] += 1
    return tuple(sizes)


def _digest(catalog: Catalog, parts: tuple[tuple[int, ...], ...]) -> str:
    text = "".join(
        f"{name}\0{catalog.images[row].label}\0{catalog.images[row].digest}\n"
        for name, rows in zip(PARTS, parts, strict=True)
        for row in rows
    )
    return hashlib.sha256(text.encode()).hexdigest()
