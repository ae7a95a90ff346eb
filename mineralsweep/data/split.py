"""Seeded, stratified splits and folds that depend on the images' content alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mineralsweep.data.catalog import Catalog
from mineralsweep.errors import ConfigError, DataError

PRESETS = ("72/18/10", "40/20/40")
"""The study's two: model 1 used the first, every other variant the second."""

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Row numbers of `Catalog.images`, each part sorted; the parts are disjoint and cover all."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    digest: str

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
        groups: one group a row, see `duplicates.groups`; None: each image is its own.

    Raises:
        DataError: fewer than 2 classes, or a class too small for one image in every part.
    """
    if len(catalog.classes) < 2:
        raise DataError(
            f"{catalog.root}: {len(catalog.classes)} class, at least 2 are needed;"
            " give a folder with one sub-folder a class"
        )
    room: _Room = {}
    for label, count in catalog.counts().items():
        room[label] = list(_sizes(count, shares))
        if min(room[label]) < 1:
            raise _too_small(catalog, label, shares)
    parts: _Parts = ([], [], [])
    units = _units(catalog, groups or range(len(catalog.images)))
    _place_groups(catalog, [rows for rows in units if len(rows) > 1], shares, seed, room, parts)
    _place_single(catalog, [rows[0] for rows in units if len(rows) == 1], seed, room, parts)
    for label in catalog.classes:
        if any(all(catalog.images[row].label != label for row in part) for part in parts):
            raise _too_small(catalog, label, shares)
    return Split.of(catalog, *parts)


_Room = dict[str, list[int]]
"""How many images of a class each part may still take; below 0 where a group was too large."""
_Parts = tuple[list[int], list[int], list[int]]


def _too_small(catalog: Catalog, label: str, shares: Sequence[int]) -> DataError:
    return DataError(
        f"{catalog.root}: class '{label}' has {catalog.counts()[label]} usable images, too few for"
        f" a {'/'.join(map(str, shares))} split with one in every part and near-duplicates on one"
        " side; add images, leave the class out, or see what there is: mineralsweep data check"
    )


def _units(catalog: Catalog, groups: Sequence[int]) -> list[list[int]]:
    """Return the rows of each group."""
    by_group: dict[int, list[int]] = {}
    for row, group in zip(range(len(catalog.images)), groups, strict=True):
        by_group.setdefault(group, []).append(row)
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
        slack = [min(room[label][i] - needed[label] for label in needed) for i in range(3)]
        first = _part_at(int(rank(rows)[:8], 16) / 2**32 * 100, shares)
        turn = [(first + step) % 3 for step in range(3)]
        part = next((i for i in turn if slack[i] >= 0), max(turn, key=lambda i: slack[i]))
        parts[part].extend(rows)
        for label, count in needed.items():
            room[label][part] -= count


def _part_at(per_cent: float, shares: Sequence[int]) -> int:
    return sum(per_cent >= end for end in (shares[0], shares[0] + shares[1]))


def _place_single(catalog: Catalog, rows: list[int], seed: int, room: _Room, parts: _Parts) -> None:
    for label, sizes in room.items():
        of_class = [row for row in rows if catalog.images[row].label == label]
        of_class.sort(key=lambda row: _rank(seed, catalog.images[row].digest))
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
    exact = [count * share / 100 for share in shares]
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


Rows = tuple[int, ...]


def folds(
    labels: Sequence[int], groups: Sequence[int], k: int, repeats: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Divide a pool into k folds, so many times over.

    The images of a group stand in one fold; the classes' shares are as equal as groups allow
    (scikit-learn's StratifiedGroupKFold). The result depends on the order of the pool: sort it by
    what does not change, such as the images' digests.

    Args:
        labels: one an image of the pool.
        groups: one an image: images with the same number belong together.
        k: folds, at least 2.
        repeats: each one divides the pool anew.
        seed: another one gives other folds.

    Returns:
        (train, validation) a fold: positions in the pool, sorted. Within a repeat, each position
        is in the validation part of one fold.

    Raises:
        ValueError: a class has fewer groups than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    truth, together = np.asarray(labels), np.asarray(groups)
    for label in np.unique(truth):
        own = len(np.unique(together[truth == label]))
        if own < k:
            raise ValueError(f"class number {label}: {own} groups of images, {k} folds")
    found: list[tuple[Rows, Rows]] = []
    for repeat in range(repeats):
        drawn = int(np.random.default_rng([seed, repeat]).integers(2**31))
        splitter = StratifiedGroupKFold(k, shuffle=True, random_state=drawn)
        for train, validation in splitter.split(truth, truth, together):
            found.append((tuple(map(int, train)), tuple(map(int, validation))))
    return found
