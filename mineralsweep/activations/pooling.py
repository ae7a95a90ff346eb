"""Activations over positions made into a few numbers an image: means, spreads, covariances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mineralsweep.descriptors import covariance

Floats = NDArray[np.float64]
Views = Sequence[NDArray[Any]]
"""One array of activations a view of the same images: (images, height, width, channels)."""

RIDGE = 1e-3
"""Added to the diagonal of a covariance before its logarithm, in parts of the mean variance."""


def each(answers: Any) -> list[Any]:
    """Return a network's answers, one a stage: a loaded one gives a single one without a list."""
    return list(answers) if isinstance(answers, list | tuple) else [answers]


def mean_and_deviation(views: Views) -> Floats:
    """Return each channel's mean and standard deviation over positions: (images, 2 channels).

    Both are the means over the views.
    """
    flat = [_flat(view) for view in views]
    mean = np.mean([one.mean(axis=1, dtype=np.float64) for one in flat], axis=0)
    deviation = np.mean([one.std(axis=1, dtype=np.float64) for one in flat], axis=0)
    return np.concatenate([mean, deviation], axis=1)


@dataclass(frozen=True)
class LogCovariance:
    """The logarithm of the covariance of a stage's principal channels, over positions.

    A straight plane tells such logarithms apart as it can't the covariances themselves (Arsigny et
    al. 2006, Magnetic Resonance in Medicine 56:411). With more channels than an image has
    positions a covariance has no full rank: the principal directions of the images that were
    trained on are taken.

    Attributes:
        directions: float32 (channels, principal channels), orthonormal columns.
        ridge: what is added to each variance before the logarithm.
    """

    directions: NDArray[np.float32]
    ridge: float

    @classmethod
    def fit(cls, views: Views, channels: int) -> Self:
        """Find the principal channels of images, and how large a variance is with them.

        Args:
            views: of the images that are trained on, at least one.
            channels: kept at most.
        """
        images = [image for view in views for image in view]
        total = np.zeros((images[0].shape[-1],) * 2)
        for image in images:
            total += _covariance(_flat(image))
        values, vectors = np.linalg.eigh(total / len(images))
        kept = min(channels, len(values))
        variance = float(np.maximum(values[::-1][:kept], 0.0).mean())
        directions = vectors[:, ::-1][:, :kept].astype(np.float32)
        return cls(np.ascontiguousarray(directions), RIDGE * variance or RIDGE)

    def numbers(self, views: Views) -> Floats:
        """Return the upper triangle of each image's logarithm: (images, k (k + 1) / 2).

        The covariance is the mean over the views. One image's numbers don't depend on the others.
        """
        side = self.directions.shape[1]
        matrices = np.zeros((len(views[0]), side, side))
        for view in views:
            for place, image in enumerate(view):
                matrices[place] += _covariance(_flat(image) @ self.directions) / len(views)
        return covariance.logarithm(matrices + self.ridge * np.eye(side), self.ridge / 2)


def _flat(activations: NDArray[Any]) -> NDArray[np.float32]:
    """Return (..., positions, channels) of (..., height, width, channels)."""
    shape = (*activations.shape[:-3], -1, activations.shape[-1])
    return np.asarray(activations).reshape(shape).astype(np.float32)


def _covariance(positions: NDArray[np.float32]) -> Floats:
    """Return (channels, channels) of (positions, channels)."""
    centred = positions - positions.mean(axis=0)
    found: Floats = (centred.T @ centred / len(centred)).astype(np.float64)
    return found
