"""Seeded, stratified splits that depend on the images' content alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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


def split(catalog: Catalog, shares: tuple[int, int, int], seed: int) -> Split:
    """Divide the images of each class by `shares`.

    The order in a class is that of SHA-256(seed, content digest): the same on every machine,
    whatever the file names, and an added image moves few others.

    Raises:
        DataError: fewer than 2 classes, or a class too small for one image in every part.
    """
    if len(catalog.classes) < 2:
        raise DataError(
            f"{catalog.root}: {len(catalog.classes)} class, at least 2 are needed;"
            " give a folder with one sub-folder a class"
        )
    parts: tuple[list[int], ...] = ([], [], [])
    for label, count in catalog.counts().items():
        sizes = _sizes(count, shares)
        if min(sizes) < 1:
            raise DataError(
                f"{catalog.root}: class '{label}' has {count} usable images, too few for a"
                f" {'/'.join(map(str, shares))} split with one in every part; add images, leave"
                " the class out, or see what was skipped: mineralsweep data check"
            )
        rows = [row for row, image in enumerate(catalog.images) if image.label == label]
        rows.sort(key=lambda row: _rank(seed, catalog.images[row].digest))
        start = 0
        for part, size in zip(parts, sizes, strict=True):
            part += rows[start : start + size]
            start += size
    train, validation, test = (tuple(sorted(part)) for part in parts)
    return Split(train, validation, test, _digest(catalog, (train, validation, test)))


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
