"""An image as a row of numbers: which there are, in which order, and how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mineralsweep.data.decode import Pixels
from mineralsweep.descriptors import colour, covariance, patterns
from mineralsweep.errors import ArchitectureError, did_you_mean

VERSION = 3
"""Another one means other numbers: kept files are computed again, and saved models refuse."""

SMALLEST = 32
"""Pixels: the least height and width, so that each cell of the grids has some."""


LARGEST = 256
"""Pixels: larger images are scaled down to it, since the time grows with the pixels."""


@dataclass(frozen=True)
class Block:
    """Numbers that belong together: `count` of them an image, made by `compute`."""

    name: str
    count: int
    compute: Callable[[colour.Planes], NDArray[np.float32]]


BLOCKS = (
    Block("histograms", 232, colour.histograms),
    Block("moments", 198, colour.moments),
    Block("grid", 324, colour.grid),
    Block("local_binary", 164, patterns.local_binary),
    Block("gradients", 78, patterns.gradients),
    Block("co_occurrence", 36, patterns.co_occurrence),
    Block("covariance", covariance.count(), covariance.covariance),
)
_WHOLE = ("histograms", "moments", "local_binary", "gradients", "co_occurrence")

SETS: dict[str, tuple[str, ...]] = {
    "colour": ("histograms", "moments", "grid"),
    "texture": ("local_binary", "gradients", "co_occurrence"),
    "whole": _WHOLE,
    "whole_and_grid": (*_WHOLE, "grid"),
    "covariance": ("covariance",),
    "all": tuple(block.name for block in BLOCKS),
}
"""Named choices of blocks; the numbers of a set stand in the order of BLOCKS."""


def features(images: Pixels | Iterable[Pixels], chosen: str = "all") -> NDArray[np.float32]:
    """Return the numbers of a set for each image: float32 (n, count(chosen)).

    The same image gives the same numbers; one image's don't depend on the others.

    Args:
        images: uint8 (n, height, width, 3), RGB in [0, 255], at least 32 x 32.
        chosen: one of SETS.

    Raises:
        ArchitectureError: there is no set of this name.
    """
    asked = blocks(chosen)
    rows = [compute(image, asked) for image in images]
    return np.stack(rows) if rows else np.zeros((0, count(chosen)), np.float32)


def compute(image: Pixels, asked: Iterable[Block]) -> NDArray[np.float32]:
    """Return the numbers of some blocks for one image, uint8 (height, width, 3)."""
    seen = colour.planes_of(_bounded(np.asarray(image)))
    return np.concatenate([block.compute(seen) for block in asked])


def _bounded(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    scale = LARGEST / max(height, width)
    if scale >= 1:
        return image
    size = max(SMALLEST, round(width * scale)), max(SMALLEST, round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def count(chosen: str = "all") -> int:
    """Return how many numbers a set has."""
    return sum(block.count for block in blocks(chosen))


def blocks(chosen: str = "all") -> tuple[Block, ...]:
    """Return the blocks of a set, in the order of their numbers.

    Raises:
        ArchitectureError: there is no set of this name.
    """
    if chosen not in SETS:
        raise ArchitectureError(f"features: unknown set '{chosen}'{did_you_mean(chosen, SETS)}")
    return tuple(block for block in BLOCKS if block.name in SETS[chosen])


def columns(name: str, chosen: str = "all") -> slice:
    """Return where the numbers of one block stand in a set that has it."""
    start = 0
    for block in blocks(chosen):
        if block.name == name:
            return slice(start, start + block.count)
        start += block.count
    raise KeyError(f"set '{chosen}' has no block '{name}'")
