"""Which images are one photograph: rescaled, mirrored, turned, marked or packed anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from os import cpu_count

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mineralsweep import files
from mineralsweep.data import looks
from mineralsweep.data.catalog import Catalog, CatalogImage
from mineralsweep.data.decode import DECODER_VERSION, open_rgb
from mineralsweep.data.groups import joined
from mineralsweep.errors import DataError, UnusableImage

VERSION = 1
"""Part of the cache key: raise it when the same images would be grouped otherwise."""

COMPARED_VIEWS = ((0, 0), (1, 1), (2, 2), (0, 1))
MOST_BITS = 14
"""Of 64 that may differ in a candidate's hashes; unrelated images differ in 32 or so."""
MORE_CHECKS = 2000
"""So many candidates, and one an image, are looked at, nearest first: bounds the time."""
ROWS_AT_ONCE = 256

SIDE = 96
"""Candidates are compared at 96 x 96 grey pixels."""
DETAIL = 4.0
"""Standard deviation in pixels of the blur that is taken off: shapes go, texture stays."""
TEMPLATE = 54
SCALES = (1.0, 0.88, 1.14)
SAME_DETAIL = ((6, 0.35), (12, 0.54), (MOST_BITS, 0.66))
"""Up to so many differing bits, the correlation of detail from which two images are one photograph:
near hashes are evidence too, and a mark across a picture hides detail. See docs/decisions."""
KEPT_IN_MEMORY = 512


@dataclass(frozen=True, order=True)
class Candidate:
    """Two rows whose hashes are near: view `first_view` of one, upright, and `second_view` of
    the other in one of the eight orientations."""

    bits: int
    first: int
    second: int
    first_view: int
    second_view: int
    orientation: int


def groups(catalog: Catalog) -> tuple[int, ...]:
    """Return one group a row: rows of near-duplicates share the number of the first of them.

    Two images are near-duplicates when a hash of theirs is near in some orientation, and their
    detail, laid over each other, agrees. What is found is kept on disk by the images' content.
    """
    name = f"{catalog.digest[:32]}-v{DECODER_VERSION}.{looks.VERSION}.{VERSION}.json"
    path = files.folder() / "groups" / name
    try:
        kept = tuple(json.loads(path.read_text()))
        if len(kept) == len(catalog.images) and all(type(group) is int for group in kept):
            return kept
    except (OSError, ValueError, TypeError):
        pass
    found = joined(len(catalog.images), pairs(catalog))
    files.write_atomically(path, lambda target: target.write_text(json.dumps(found)))
    return found


def pairs(catalog: Catalog) -> list[tuple[int, int]]:
    """Return the pairs of rows, (lower, higher), that are one photograph."""
    rows = [row for row, image in enumerate(catalog.images) if image.facts.look]
    if len(rows) < 2:
        return []
    hashes = looks.parse([catalog.images[row].facts.look for row in rows])
    nearest = candidates(hashes)
    kept = sorted(nearest, key=lambda pair: (nearest[pair].bits, pair))
    kept = kept[: MORE_CHECKS + len(rows)]
    views = lru_cache(KEPT_IN_MEMORY)(lambda place: _views(catalog.images[rows[place]]))
    with ThreadPoolExecutor(cpu_count()) as pool:
        same = list(pool.map(lambda pair: _are_one(nearest[pair], views), kept))
    return sorted(
        (rows[one], rows[other]) for (one, other), yes in zip(kept, same, strict=True) if yes
    )


def candidates(hashes: NDArray[np.uint64]) -> dict[tuple[int, int], Candidate]:
    """Return pairs of positions with a near hash, each with its nearest alignment.

    Args:
        hashes: uint64 (n, 3, 8), as `looks.parse` returns them.
    """
    found: dict[tuple[int, int], Candidate] = {}
    for near in _near(hashes):
        pair = min(near.first, near.second), max(near.first, near.second)
        if pair not in found or near < found[pair]:
            found[pair] = near
    return found


def _near(hashes: NDArray[np.uint64]) -> Iterator[Candidate]:
    count = len(hashes)
    for start in range(0, count, ROWS_AT_ONCE):
        upright = hashes[start : start + ROWS_AT_ONCE, :, 0]
        for one, other in COMPARED_VIEWS:
            for orientation in range(looks.SYMMETRIES):
                differing = upright[:, None, one] ^ hashes[None, :, other, orientation]
                bits = np.bitwise_count(differing)
                for row, column in np.argwhere(bits <= MOST_BITS).tolist():
                    if start + row != column:
                        yield Candidate(
                            int(bits[row, column]), start + row, column, one, other, orientation
                        )


def _are_one(way: Candidate, views: Callable[[int], list[looks.Pixels]]) -> bool:
    needed = next(least for bits, least in SAME_DETAIL if way.bits <= bits)
    first = views(way.first)[way.first_view]
    second = views(way.second)[way.second_view]
    return agreement(first, looks.oriented(second, way.orientation)) >= needed


def agreement(one: looks.Pixels, other: looks.Pixels) -> float:
    """Return how well the middle of `one` is found in `other`: a correlation, at most 1.

    Both are stripped of what is larger than a few pixels: specimens of one outline on white are
    no copies of each other, and a copy keeps its texture. The middle is tried at three scales.

    Args:
        one, other: uint8 (96, 96), grey.
    """
    from skimage.feature import match_template

    ground = _detail(Image.fromarray(other))
    best = -1.0
    for scale in SCALES:
        side = round(SIDE * scale)
        scaled = _detail(Image.fromarray(one).resize((side, side), Image.Resampling.BILINEAR))
        start = (side - TEMPLATE) // 2
        template = scaled[start : start + TEMPLATE, start : start + TEMPLATE]
        if template.std() > 0.1:
            best = max(best, float(match_template(ground, template).max()))
    return best


def _detail(image: Image.Image) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    grey = np.asarray(image, dtype=np.float32)
    return np.asarray(grey - gaussian_filter(grey, DETAIL))


def _views(image: CatalogImage) -> list[looks.Pixels]:
    """Return the views of an image, uint8 (96, 96), grey."""
    try:
        whole, _ = open_rgb(image.path.read_bytes())
    except (OSError, UnusableImage) as error:
        # What is found is kept: a pair that was missed once would be missed for good.
        raise DataError(
            f"{image.path}: can't be read any more, though it could just now: {error}; run the"
            " command again"
        ) from error
    return [
        np.asarray(view.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        for view in looks.views(whole)
    ]
