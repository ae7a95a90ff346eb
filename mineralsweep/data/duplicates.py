"""Which images are one photograph: rescaled, mirrored, turned, marked or packed anew."""

from __future__ import annotations

import json
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

VERSION = 2
"""Part of the cache key: raise it when the same images would be grouped otherwise."""

MORE_CHECKS = 2000
"""So many candidates, and one an image, are looked at, nearest first: bounds the time."""

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


def groups(catalog: Catalog, say: Say = silent) -> tuple[int, ...]:
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
    found = joined(len(catalog.images), pairs(catalog, say))
    files.write_atomically(path, lambda target: target.write_text(json.dumps(found)))
    return found


def pairs(catalog: Catalog, say: Say = silent) -> list[tuple[int, int]]:
    """Return the pairs of rows, (lower, higher), that are one photograph.

    Args:
        catalog: the images.
        say: is told from time to time how many pairs were looked at.
    """
    rows = [row for row, image in enumerate(catalog.images) if image.facts.look]
    if len(rows) < 2:
        return []
    hashes = looks.parse([catalog.images[row].facts.look for row in rows])
    nearest = sorted(candidates(hashes, MORE_CHECKS + len(rows)), key=lambda way: way[1:])
    images = [catalog.images[row] for row in rows]
    compared = [_Compared(way, images[way.first], images[way.second]) for way in nearest]
    same = done(_are_one, compared, "Looking for near-duplicates, pairs", say)
    found = [way for way, yes in zip(nearest, same, strict=True) if yes]
    _views.cache_clear()
    ends = ((rows[way.first], rows[way.second]) for way in found)
    return sorted((min(pair), max(pair)) for pair in ends)


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
