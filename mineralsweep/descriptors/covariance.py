"""How colours and edges vary together over an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mineralsweep.descriptors.colour import Numbers, Planes

BLURS = (0.0, 1.0, 2.0, 4.0)
"""Standard deviations in pixels of the Gaussians before edges are taken; 0: none."""
FLOOR = 1e-3
"""Added to the strength of an edge before its logarithm."""
RIDGE = 1e-5
"""Added to the diagonal, so that a flat image has a logarithm too."""
CHANNELS = 3 + 5 * len(BLURS) + len(BLURS) - 1


def covariance(planes: Planes) -> Numbers:
    """Return the logarithm of the covariance of 26 channels, and their means: whole and centre.

    The channels of a pixel are L*, a* and b*; and as logarithms, after each of four blurs, the
    strength of the edges of L* downwards, across and in all, of a* and of b*, and how far L*
    lies from its blur. Tuzel, Porikli & Meer, ECCV 2006; the matrix logarithm, in which
    covariances can be told apart by straight planes, is Arsigny et al. 2006, Magnetic Resonance
    in Medicine 56:411.
    """
    seen = _channels(planes)
    height, width = seen.shape[1:]
    middle = seen[:, height // 4 : height - height // 4, width // 4 : width - width // 4]
    return np.concatenate([_of(seen), _of(middle)]).astype(np.float32)


def count() -> int:
    """Return how many numbers there are: a triangle and the means, twice."""
    return 2 * (CHANNELS * (CHANNELS + 1) // 2 + CHANNELS)


def _channels(planes: Planes) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    lab = planes.lab.transpose(2, 0, 1).astype(np.float64)
    edges = []
    for blur in BLURS:
        blurred = gaussian_filter(lab, (0, blur, blur)) if blur else lab
        for channel in range(3):
            down, across = np.gradient(blurred[channel])
            if channel == 0:
                edges += [np.abs(down), np.abs(across)]
            edges.append(np.hypot(down, across))
        if blur:
            edges.append(np.abs(lab[0] - blurred[0]))
    return np.concatenate([lab, np.log(np.array(edges) + FLOOR)])


def _of(channels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper triangle of the logarithm of the covariance, then the means."""
    pixels = channels.reshape(len(channels), -1)
    ridged = np.cov(pixels) + RIDGE * np.eye(len(pixels))
    return np.concatenate([logarithm(ridged, RIDGE / 2), pixels.mean(axis=1)])


def logarithm(matrices: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return the upper triangle of the logarithm of symmetric matrices, (..., n (n + 1) / 2).

    What stands off the diagonal counts twice in a matrix: it is multiplied by the root of 2, so
    that distances between such rows are those between the matrices.

    Args:
        matrices: (..., n, n), positive definite but for rounding.
        least: eigenvalues below it are taken for it.
    """
    values, vectors = np.linalg.eigh(matrices)
    scaled = vectors * np.log(np.maximum(values, least))[..., None, :]
    found = scaled @ np.swapaxes(vectors, -1, -2)
    rows, columns = np.triu_indices(matrices.shape[-1])
    return np.asarray(found[..., rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0)))
