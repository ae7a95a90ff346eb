"""How an image's lightness changes from pixel to pixel: patterns, gradients, co-occurrence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mineralsweep.descriptors.colour import Numbers, Planes, cells, centre, shares

RADII = ((8, 1), (16, 2), (24, 3))
"""(points, radius in pixels) of local binary patterns."""
ORIENTATIONS = 9
CELLS = 2
STRENGTHS = 12
LEVELS = 32
DISTANCES = (1, 2, 4)
SCALES = 5


def local_binary(planes: Planes) -> Numbers:
    """Return roots of shares of uniform local binary patterns, at three radii, of L*, a* and b*.

    Ojala, Pietikäinen & Mäenpää 2002, IEEE TPAMI 24:971: (P + 2) shares a radius; of L* for
    the whole and for the centre.
    """
    from skimage.feature import local_binary_pattern

    found = []
    for channel in range(3):
        plane = np.round(planes.lab[..., channel] * 255).astype(np.uint8)
        for points, radius in RADII if channel == 0 else RADII[:2]:
            codes = local_binary_pattern(plane, points, radius, method="uniform")
            for part in (codes, centre(codes)) if channel == 0 else (codes,):
                found.append(shares(part.astype(np.intp), points + 2))
    return np.concatenate(found)


def gradients(planes: Planes) -> Numbers:
    """Return where edges point and how strong they are.

    Nine orientations weighted by strength for each cell of 2 x 2, as a share of the image's sum
    (in the manner of Dalal & Triggs, CVPR 2005), a histogram of strength, and how much
    of L*, a* and b* there is at five scales.
    """
    down, across = np.gradient(planes.lightness)
    strength = np.hypot(down, across)
    angle = np.mod(np.arctan2(down, across), np.pi) / np.pi
    where = np.minimum((angle * ORIENTATIONS).astype(np.intp), ORIENTATIONS - 1)
    total = float(strength.sum()) or 1.0
    pointing = [
        np.bincount(bins.ravel(), weights=weights.ravel(), minlength=ORIENTATIONS) / total
        for bins, weights in zip(cells(where, CELLS), cells(strength, CELLS), strict=True)
    ]
    # On a logarithmic ladder: most pixels lie on weak edges.
    edges = np.geomspace(1e-3, 0.5, STRENGTHS - 1)
    strengths = shares(np.digitize(strength, edges), len(edges) + 1)
    return np.concatenate([*pointing, strengths, _bands(planes.lab)]).astype(np.float32)


def co_occurrence(planes: Planes) -> Numbers:
    """Return six properties of co-occurrence of L* at distances 1, 2, 4: their mean and range.

    Taken over four angles.

    Haralick, Shanmugam & Dinstein 1973, IEEE TSMC 3:610.
    """
    from skimage.feature import graycomatrix, graycoprops

    levels = np.minimum((planes.lightness * LEVELS).astype(np.uint8), LEVELS - 1)
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    matrix = graycomatrix(levels, DISTANCES, angles, LEVELS, symmetric=True, normed=True)
    found = []
    for name in ("contrast", "dissimilarity", "homogeneity", "ASM", "energy", "correlation"):
        values = graycoprops(matrix, name)
        found += [values.mean(axis=1), np.ptp(values, axis=1)]
    return np.concatenate(found).astype(np.float32)


def _bands(lab: NDArray[np.float32]) -> Numbers:
    """Return deviation and mean size of five levels of a Laplacian pyramid, a channel.

    Burt & Adelson 1983, IEEE Trans. Communications 31:532.
    """
    from scipy.ndimage import gaussian_filter

    found, level = [], lab.transpose(2, 0, 1)
    for _ in range(SCALES):
        blurred = gaussian_filter(level, (0, 1, 1), mode="nearest", truncate=3)
        band = level - blurred
        found += [band.std(axis=(1, 2)), np.abs(band).mean(axis=(1, 2))]
        level = blurred[:, ::2, ::2]
    return np.concatenate(found)
