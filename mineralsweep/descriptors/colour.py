"""What colours an image has, and where: histograms and moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels

Plane = NDArray[np.float32]
"""float32 (height, width), in [0, 1]."""

LAB_RANGE = np.array([[0, 100], [-128, 127], [-128, 127]], np.float32)


@dataclass(frozen=True)
class Planes:
    """`hsv` and `lab` are float32 (height, width, 3), each channel scaled to [0, 1]."""

    hsv: NDArray[np.float32]
    lab: NDArray[np.float32]

    @property
    def lightness(self) -> Plane:
        """CIE L*, the plane that texture is read from."""
        return self.lab[..., 0]


def planes_of(image: Pixels) -> Planes:
    """Return the planes of one image, uint8 (height, width, 3), RGB in [0, 255].

    Lab is CIE L*a*b* for sRGB under D65.
    """
    from skimage.color import rgb2hsv, rgb2lab

    rgb = image.astype(np.float32) / np.float32(255)
    lab = (rgb2lab(rgb) - LAB_RANGE[:, 0]) / (LAB_RANGE[:, 1] - LAB_RANGE[:, 0])
    return Planes(rgb2hsv(rgb).astype(np.float32), np.clip(lab, 0, 1).astype(np.float32))


Numbers = NDArray[np.float32]

HUES, SATURATIONS, VALUES = 16, 8, 8
LAB_BINS = 16
JOINT = (8, 3, 3)
GRID = 3
GRID_BINS = 6


def histograms(planes: Planes) -> Numbers:
    """Return roots of shares of pixels: of the whole image and of its centre, HSV and Lab.

    1 x (16 + 8 + 8 + 3 x 16) for each of the two, and one joint HSV histogram of 8 x 3 x 3 bins
    (Swain & Ballard 1991, IJCV 7:11).
    """
    found = []
    for hsv, lab in ((planes.hsv, planes.lab), (centre(planes.hsv), centre(planes.lab))):
        bins = (HUES, SATURATIONS, VALUES)
        found += [_shares(hsv[..., i], bins[i]) for i in range(3)]
        found += [_shares(lab[..., i], LAB_BINS) for i in range(3)]
    found.append(_joint(planes.hsv, JOINT))
    return np.concatenate(found)


def grid(planes: Planes) -> Numbers:
    """Return a histogram of 6 bins a channel of HSV and Lab for each cell of 3 x 3."""
    return np.concatenate(
        [
            _shares(channel, GRID_BINS)
            for cell in cells(np.concatenate([planes.hsv, planes.lab], axis=2), GRID)
            for channel in np.moveaxis(cell, 2, 0)
        ]
    )


def moments(planes: Planes) -> Numbers:
    """Return mean, deviation and skewness a channel of HSV and Lab: whole, centre, 3 x 3 cells.

    Stricker & Orengo 1995, SPIE 2420:381. The skewness is the cube root of the third moment.
    """
    both = np.concatenate([planes.hsv, planes.lab], axis=2)
    return np.concatenate([_moments(part) for part in (both, centre(both), *cells(both, GRID))])


def centre(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the middle half, each way."""
    height, width = planes.shape[:2]
    return planes[height // 4 : height - height // 4, width // 4 : width - width // 4]


def cells(planes: NDArray[np.float32], count: int) -> Iterator[NDArray[np.float32]]:
    """Cut into count x count parts, row by row."""
    for rows in np.array_split(planes, count, axis=0):
        yield from np.array_split(rows, count, axis=1)


def shares(where: NDArray[np.intp], bins: int) -> Numbers:
    """Return the square root of the share of pixels in each bin.

    Distances between square roots are Hellinger's: a few pixels of a rare colour count for more.
    (Arandjelović & Zisserman, CVPR 2012.)
    """
    found = np.bincount(where.ravel(), minlength=bins)
    return np.sqrt(found / where.size).astype(np.float32)


def _shares(channel: NDArray[np.float32], bins: int) -> Numbers:
    where = np.minimum((channel * bins).astype(np.intp), bins - 1)
    return shares(where, bins)


def _joint(hsv: NDArray[np.float32], bins: tuple[int, int, int]) -> Numbers:
    where = np.zeros(hsv.shape[:2], np.intp)
    for i, count in enumerate(bins):
        where = where * count + np.minimum((hsv[..., i] * count).astype(np.intp), count - 1)
    size = bins[0] * bins[1] * bins[2]
    return shares(where, size)


def _moments(part: NDArray[np.float32]) -> Numbers:
    flat = np.ascontiguousarray(part.reshape(-1, part.shape[2]).T)
    mean = flat.mean(axis=1, keepdims=True)
    away = flat - mean
    squares = away * away
    third = np.cbrt((squares * away).mean(axis=1))
    return np.concatenate([mean[:, 0], np.sqrt(squares.mean(axis=1)), third])
