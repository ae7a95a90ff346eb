"""What a recipe varies in a batch: colours, crops, mixtures; drawn from a given generator."""

from __future__ import annotations

import math

import keras
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

FACTOR_AT_FULL = 0.5
"""Brightness, contrast and saturation are multiplied by exp(u), u even in +- this."""
HUE_AT_FULL = 0.06
"""In turns of the colour circle, either way. Little: a mineral is known by its colour."""

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma of red, green and blue (ITU-R BT.601)."""

YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
RGB = np.linalg.inv(YIQ)

AREA_AT_FULL = 0.75
"""At strength 1 a crop leaves out at most this share of the image."""
RATIO_AT_FULL = 4 / 3
"""At strength 1 a crop's sides are stretched against each other by at most this factor."""


def colours(images: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Vary brightness, contrast, saturation and hue of each image by a draw of its own.

    The four changes are one 3 x 3 matrix and one offset an image: a pixel is multiplied once.

    Args:
        images: float32 (n, height, width, 3), RGB in [0, 255].
        strength: in [0, 1]; 0 returns the images as they are.
        random: where the draws come from.

    Returns:
        float32 of the same shape, in [0, 255].
    """
    if strength == 0:
        return images
    count = len(images)
    draws = random.uniform(-1, 1, (count, 4)) * strength
    brightness, contrast, saturation = np.exp(draws[:, :3].T * FACTOR_AT_FULL)
    angle = draws[:, 3] * HUE_AT_FULL * 2 * math.pi
    matrices = _hue_and_saturation(angle, saturation) * (brightness * contrast)[:, None, None]
    # Contrast is about the image's mean grey, which the matrix keeps but for brightness.
    mean = images.mean(axis=(1, 2)) @ GREY
    offsets = mean * brightness * (1 - contrast)
    flat = images.reshape(count, -1, 3) @ matrices.transpose(0, 2, 1).astype(np.float32)
    flat += offsets[:, None, None].astype(np.float32)
    found: Pixels = np.clip(flat, 0, 255, out=flat).reshape(images.shape)
    return found


def _hue_and_saturation(
    angle: NDArray[np.float64], factor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, 3, 3): turn the two colour axes of YIQ, stretch them, and leave the grey one."""
    turns = np.zeros((len(angle), 3, 3))
    turns[:, 0, 0] = 1
    turns[:, 1, 1] = turns[:, 2, 2] = factor * np.cos(angle)
    turns[:, 1, 2], turns[:, 2, 1] = -factor * np.sin(angle), factor * np.sin(angle)
    found: NDArray[np.float64] = RGB @ turns @ YIQ
    return found


def crops(images: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Stretch a random part of each image to the whole, and mirror every other one.

    Args:
        images: float32 (n, height, width, 3).
        strength: in [0, 1]; 0 returns the images as they are.
        random: where the draws come from.

    Returns:
        float32 of the same shape, bilinear between pixels.
    """
    if strength == 0:
        return images
    matrices = _crop_matrices(len(images), images.shape[1:3], strength, random)
    return np.asarray(
        keras.ops.image.affine_transform(
            images, matrices, interpolation="bilinear", fill_mode="nearest"
        )
    )


def _crop_matrices(
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


def mix(
    images: Pixels, labels: NDArray[np.float32], alpha: float, random: np.random.Generator
) -> tuple[Pixels, NDArray[np.float32]]:
    """Mix each image, and its label, with another one of the batch.

    Zhang et al., arXiv:1710.09412.

    Args:
        images: float32 (n, height, width, 3).
        labels: float32 (n, classes); a row adds up to the image's weight.
        alpha: of Beta(alpha, alpha), which the share of the other image is drawn from, folded to
            at most a half; 0 returns both as they are.
        random: where the draws come from.
    """
    if alpha == 0:
        return images, labels
    count = len(images)
    share = random.beta(alpha, alpha, count).astype(np.float32)
    share = np.minimum(share, 1 - share)
    other = random.permutation(count)
    of_images = share[:, None, None, None]
    mixed = images + of_images * (images[other] - images)
    return mixed, labels + share[:, None] * (labels[other] - labels)
