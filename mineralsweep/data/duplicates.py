"""Which images are one photograph: rescaled, mirrored, turned, marked or packed anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mineralsweep import files
from mineralsweep.data import looks
from mineralsweep.data.catalog import Catalog, CatalogImage
from mineralsweep.data.decode import DECODER_VERSION, open_rgb
from mineralsweep.data.groups import joined
from mineralsweep.data.near import MOST_BITS, Candidate, candidates
from mineralsweep.data.work import Say, done, silent
from mineralsweep.errors import DataError, UnusableImage

VERSION = 4
"""Part of the cache key: raise it when the same images would be grouped otherwise."""

MORE_CHECKS = 2000
"""So many pairs that turn out to differ, and one an image, are looked at, nearest first: bounds the
time."""
WORTH_A_SEARCH = 0.9
"""Pairs are searched for once more while fewer than this share of the bound differed."""
LISTED = 240_000
"""Candidates that are held at once; more where there are more images."""

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

Pair = tuple[int, int]


def groups(catalog: Catalog, say: Say = silent) -> tuple[int, ...]:
    """Return one group a row: rows of near-duplicates share the number of the first of them.

    Two images are near-duplicates when a hash of theirs is near in some orientation, and their
    detail, laid over each other, agrees. What is found is kept on disk by the images' content.
    """
    name = f"{catalog.digest[:32]}-v{DECODER_VERSION}.{looks.VERSION}.{VERSION}.json"
    path = files.folder() / "groups" / name
    found = _kept(path, len(catalog.images))
    if found is None:
        pairs, differ = _pairs(catalog, say)
        found = Found(joined(len(catalog.images), pairs), differ)
        text = json.dumps(found._asdict())
        files.write_atomically(path, lambda target: target.write_text(text, encoding="utf-8"))
    if found.differ:
        say(f"Near-duplicates: the nearest pairs were looked at until {found.differ:,} differed")
    return found.groups


class Found(NamedTuple):
    """The groups, and how many pairs differed where not every near pair was looked at; else 0."""

    groups: tuple[int, ...]
    differ: int


def _kept(path: Path, images: int) -> Found | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        found = Found(tuple(kept["groups"]), kept["differ"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    numbers = [*found.groups, found.differ]
    return found if len(numbers) == images + 1 and all(type(n) is int for n in numbers) else None


def _pairs(catalog: Catalog, say: Say) -> tuple[list[Pair], int]:
    """Return pairs of rows that are one photograph, which join all that are, and `Found.differ`."""
    rows = [row for row, image in enumerate(catalog.images) if image.facts.look]
    if len(rows) < 2:
        return [], 0
    hashes = looks.parse([catalog.images[row].facts.look for row in rows])
    images = [catalog.images[row] for row in rows]
    most = len(rows) + MORE_CHECKS
    found: list[Pair] = []
    differ: set[Pair] = set()
    whole, known = False, -1
    # A search takes long: another one pays where much is left to look at, and some was found.
    while not whole and len(differ) < WORTH_A_SEARCH * most and len(found) > known:
        known, groups = len(found), joined(len(rows), found)
        listed = max(LISTED, most) + len(differ)
        nearest = candidates(hashes, listed, groups, say)
        whole = len(nearest) < listed
        while True:
            nearest = [way for way in nearest if (way.first, way.second) not in differ]
            forest = _forest(nearest, joined(len(rows), found))[: most - len(differ)]
            if not forest:
                break
            forest.sort(key=lambda way: way[1:])
            compared = [_Compared(way, images[way.first], images[way.second]) for way in forest]
            same = done(_are_one, compared, "Looking for near-duplicates, pairs", say)
            for way, yes in zip(forest, same, strict=True):
                if yes:
                    found.append((way.first, way.second))
                else:
                    differ.add((way.first, way.second))
    _views.cache_clear()
    bounded = not whole or len(differ) >= most
    return [(rows[first], rows[second]) for first, second in found], len(differ) * bounded


def _forest(nearest: Sequence[Candidate], groups: Sequence[int]) -> list[Candidate]:
    """Return candidates, the nearest first, that would join groups were they all one photograph.

    A pair whose ends others join tells nothing more: thirty copies of one photograph are 29 pairs
    to look at, and not 435 (Kruskal 1956, Proc. AMS 7:48).
    """
    from scipy.cluster.hierarchy import DisjointSet

    tree = DisjointSet(groups)
    return [way for way in nearest if tree.merge(groups[way.first], groups[way.second])]


class _Compared(NamedTuple):
    """Two images, and how one is laid over the other."""

    way: Candidate
    first: CatalogImage
    second: CatalogImage


def _are_one(compared: _Compared) -> bool:
    way = compared.way
    needed = next(least for bits, least in SAME_DETAIL if way.bits <= bits)
    first = _views(compared.first.path, compared.first.digest)[way.first_view]
    second = _views(compared.second.path, compared.second.digest)[way.second_view]
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


@lru_cache(KEPT_IN_MEMORY)
def _views(path: Path, digest: str) -> list[looks.Pixels]:
    """Return the views of an image, uint8 (96, 96), grey; `digest`: of its content."""
    try:
        whole, _ = open_rgb(path.read_bytes(), least=2 * looks.SMALL_SIDE)
    except (OSError, UnusableImage) as error:
        # What is found is kept: a pair that was missed once would be missed for good.
        raise DataError(
            f"{path}: can't be read any more, though it could just now: {error}; run the"
            " command again"
        ) from error
    return [
        np.asarray(view.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        for view in looks.views(whole)
    ]
