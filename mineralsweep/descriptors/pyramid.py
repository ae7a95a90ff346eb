"""How an image looks at first glance: its colours, and how they change from pixel to pixel.

It is cheap, and tells noise, drawings, plain surfaces, blur and other cameras from photographs of
a collection. What is shown in the image it does not tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mineralsweep.data.decode import Pixels

SIDE = 128
"""Pixels: larger images are scaled down to it."""
SCALES = 4
"""Of which each has half the height and width of the one before."""
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
FLOOR = 2e-4
"""Added before a logarithm, of colours in [0, 1]: a tenth of a grey level."""
OPPONENT = np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]], np.float32)
"""Brightness, red against green, yellow against blue."""
COUNT = 3 * (len(SHARES) + SCALES * 3 * 2)

Planes = NDArray[np.float32]


def pyramid(images: Pixels) -> NDArray[np.float32]:
    """Return the numbers of images, float32 (n, COUNT); one image's don't depend on the others.

    They are quantiles of three opponent colours; then, at each scale, the logarithms of the mean
    size of three differences between neighbours (across, down, Laplacian), and of how uneven these
    are: the root of the mean square, over the mean.

    Args:
        images: uint8 (n, height, width, 3), RGB in [0, 255], at least 32 x 32.
    """
    rows = [_of(image) for image in images]
    return np.stack(rows) if rows else np.zeros((0, COUNT), np.float32)


def _of(image: Pixels) -> NDArray[np.float32]:
    seen = _bounded(image).astype(np.float32) / np.float32(255.0)
    planes: Planes = np.ascontiguousarray(np.moveaxis(seen @ OPPONENT.T, -1, 0), np.float32)
    quantiles = np.quantile(planes.reshape(3, -1), SHARES, axis=1)
    numbers: list[Planes] = [quantiles.ravel().astype(np.float32)]
    for _ in range(SCALES):
        numbers += [part for one in _differences(planes) for part in _sizes(one)]
        planes = _halved(planes)
    return np.concatenate(numbers)


def _bounded(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    size = min(width, SIDE), min(height, SIDE)
    if size == (width, height):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def _differences(planes: Planes) -> tuple[Planes, Planes, Planes]:
    inner = planes[:, 1:-1, 1:-1]
    around = planes[:, :-2, 1:-1] + planes[:, 2:, 1:-1] + planes[:, 1:-1, :-2] + planes[:, 1:-1, 2:]
    return (
        planes[:, :, 1:] - planes[:, :, :-1],
        planes[:, 1:] - planes[:, :-1],
        4 * inner - around,
    )


def _sizes(differences: Planes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    flat = differences.reshape(3, -1)
    size = np.abs(flat).mean(axis=1) + FLOOR
    root = np.sqrt(np.einsum("ij,ij->i", flat, flat) / flat.shape[1]) + FLOOR
    return np.log(size), np.log(root / size)


def _halved(planes: Planes) -> Planes:
    """Return means of 2 x 2 pixels; a last odd row or column is left out."""
    height, width = (side // 2 * 2 for side in planes.shape[1:])
    even = planes[:, :height, :width]
    return np.asarray(
        (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
    )
