"""Brightness, contrast, saturation and hue of each image, varied at random."""

from __future__ import annotations

import math

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


def vary(images: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Return the images, each with colours of its own draw.

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
