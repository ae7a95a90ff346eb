"""The numbers of an image: which there are, in which order, and how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels
from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.texture import colour, patterns, planes

VERSION = 1
"""Another one means other numbers: kept files are computed again, and saved models refuse."""

SMALLEST = 32
"""Pixels: the least height and width, so that each cell of the grids has some."""


@dataclass(frozen=True)
class Block:
    """Numbers that belong together: `count` of them an image, made by `compute`."""

    name: str
    count: int
    compute: Callable[[planes.Planes], NDArray[np.float32]]


BLOCKS = (
    Block("histograms", 232, colour.histograms),
    Block("moments", 198, colour.moments),
    Block("grid", 324, colour.grid),
    Block("local_binary", 164, patterns.local_binary),
    Block("gradients", 78, patterns.gradients),
    Block("co_occurrence", 36, patterns.co_occurrence),
)

SETS: dict[str, tuple[str, ...]] = {
    "colour": ("histograms", "moments", "grid"),
    "texture": ("local_binary", "gradients", "co_occurrence"),
    "whole": tuple(block.name for block in BLOCKS if block.name != "grid"),
    "all": tuple(block.name for block in BLOCKS),
}
"""Named choices of blocks; the numbers of a set stand in the order of BLOCKS."""


def features(images: Pixels | Iterable[Pixels]) -> NDArray[np.float32]:
    """Return every block's numbers of each image: float32 (n, 1032).

    The same image gives the same numbers; one image's don't depend on the others.

    Args:
        images: uint8 (n, height, width, 3), RGB in [0, 255], at least 32 x 32.
    """
    rows = [_of(image) for image in images]
    return np.stack(rows) if rows else np.zeros((0, count()), np.float32)


def count(chosen: str = "all") -> int:
    """Return how many numbers a set has."""
    return len(columns(chosen))


def columns(chosen: str) -> NDArray[np.intp]:
    """Return where the numbers of a set stand among all.

    Raises:
        ArchitectureError: there is no set of this name.
    """
    if chosen not in SETS:
        raise ArchitectureError(f"features: unknown set '{chosen}'{did_you_mean(chosen, SETS)}")
    found, start = [], 0
    for block in BLOCKS:
        if block.name in SETS[chosen]:
            found.append(np.arange(start, start + block.count))
        start += block.count
    return np.concatenate(found)


def _of(image: Pixels) -> NDArray[np.float32]:
    seen = planes.of(np.asarray(image))
    return np.concatenate([block.compute(seen) for block in BLOCKS])
