"""A random part of each image, stretched to the whole, and mirrored every other time."""

from __future__ import annotations

import math

import keras
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

AREA_AT_FULL = 0.75
"""At strength 1 a crop leaves out at most this share of the image."""
RATIO_AT_FULL = 4 / 3
"""At strength 1 a crop's sides are stretched against each other by at most this factor."""


def vary(images: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Return a random crop of each image, at the images' own size.

    Args:
        images: float32 (n, height, width, 3).
        strength: in [0, 1]; 0 returns the images as they are.
        random: where the draws come from.

    Returns:
        float32 of the same shape, bilinear between pixels.
    """
    if strength == 0:
        return images
    matrices = _matrices(len(images), images.shape[1:3], strength, random)
    return np.asarray(
        keras.ops.image.affine_transform(
            images, matrices, interpolation="bilinear", fill_mode="nearest"
        )
    )


def _matrices(
    count: int, size: tuple[int, ...], strength: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Return (count, 8): from a pixel of the crop to its place in the image."""
    height, width = size
    area = 1 - random.uniform(0, AREA_AT_FULL * strength, count)
    stretch = np.exp(random.uniform(-1, 1, count) * strength * math.log(RATIO_AT_FULL) / 2)
    high = np.minimum(np.sqrt(area) * stretch, 1)
    wide = np.minimum(np.sqrt(area) / stretch, 1)
    top = random.uniform(0, 1, count) * (1 - high) * (height - 1)
    left = random.uniform(0, 1, count) * (1 - wide) * (width - 1)
    mirrored = random.uniform(0, 1, count) < 0.5
    across = np.where(mirrored, -wide, wide)
    start = np.where(mirrored, left + wide * (width - 1), left)
    nothing = np.zeros(count)
    rows = (across, nothing, start, nothing, high, top, nothing, nothing)
    return np.stack(rows, axis=1).astype(np.float32)
