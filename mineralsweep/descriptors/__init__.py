"""Colour and texture of an image as a row of numbers, for models that learn from few images."""

from mineralsweep.descriptors.features import (
    BLOCKS,
    SETS,
    SMALLEST,
    VERSION,
    Block,
    blocks,
    columns,
    compute,
    count,
    features,
)

__all__ = [
    "BLOCKS",
    "SETS",
    "SMALLEST",
    "VERSION",
    "Block",
    "blocks",
    "columns",
    "compute",
    "count",
    "features",
]
