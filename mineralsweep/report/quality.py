"""Images that a photographer would take again: dark, pale, faint, blurred, or of an odd shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data import arrays
from mineralsweep.data.catalog import Catalog, CatalogImage
from mineralsweep.data.work import done, silent

SIDE = 256
"""Images are looked at with 256 x 256 pixels: about what a network sees of them."""
DARK, PALE, FAINT = 64, 242, 25.6
"""Of 255: the brightest hundredth is darker, the darkest twentieth is brighter, all but a hundredth
lie within a tenth of the range."""
BLURRED = 0.65
"""Of skimage's `blur_effect`, in [0, 1]; docs/data.md has what it finds."""
LONGEST = 3.0
"""Of one side to the other."""
SMALLEST = 64
"""Pixels of the shorter side."""


@dataclass(frozen=True)
class Poor:
    """An image, and what is wrong with it, in words."""

    row: int
    reasons: tuple[str, ...]


def poor(catalog: Catalog) -> tuple[Poor, ...]:
    """Return the images that something is wrong with, in the order of the rows.

    Raises:
        DataError: a file was removed or changed since the catalogue was read.
    """
    if not catalog.images:
        return ()
    pixels = arrays.load(arrays.ensure(catalog, (SIDE, SIDE)))
    seen = done(_look, list(pixels), "Looking at the photographs", silent)
    found = [
        Poor(row, (*_shape(image), *reasons))
        for row, (image, reasons) in enumerate(zip(catalog.images, seen, strict=True))
    ]
    return tuple(one for one in found if one.reasons)


def _look(image: NDArray[np.uint8]) -> list[str]:
    from skimage.measure import blur_effect

    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    dark, low, high, bright = np.percentile(grey, [0.5, 5, 99, 99.5])
    reasons = []
    if high < DARK:
        reasons.append("dark")
    if low > PALE:
        reasons.append("pale")
    if bright - dark < FAINT:
        reasons.append("uses under a tenth of the range from black to white")
    elif blur_effect(grey) > BLURRED:
        reasons.append("blurred")
    return reasons


def _shape(image: CatalogImage) -> list[str]:
    short, long = sorted((image.facts.height, image.facts.width))
    reasons = []
    if short < SMALLEST:
        reasons.append(f"under {SMALLEST} pixels on the shorter side")
    if long > LONGEST * short:
        reasons.append(f"over {LONGEST:g} times as long as wide")
    return reasons
