"""Activations over positions made into a few numbers an image: means, spreads, covariances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mineralsweep.descriptors import covariance

Floats = NDArray[np.float64]

RIDGE = 1e-3
"""Added to the diagonal of a covariance before its logarithm, in parts of the mean variance."""


@dataclass(frozen=True)
class Moments:
    """What is kept of a stage's activations, whatever their height and width.

    Attributes:
        mean: float64 (images, channels), over positions and views.
        covariance: float64 (images, channels, channels), over positions; the mean over views.
    """

    mean: Floats
    covariance: Floats

    @classmethod
    def of(cls, views: list[NDArray[Any]]) -> Self:
        """Return the moments of images, each seen in several views.

        Args:
            views: one array of activations a view, (images, height, width, channels).
        """
        means, covariances = zip(*map(_moments, views), strict=True)
        return cls(np.mean(means, axis=0), np.mean(covariances, axis=0))

    @property
    def deviation(self) -> Floats:
        """The standard deviations over positions, (images, channels)."""
        return np.sqrt(np.maximum(np.diagonal(self.covariance, axis1=1, axis2=2), 0.0))

    def rows(self, which: list[int]) -> Moments:
        """Return those of some images."""
        return Moments(self.mean[which], self.covariance[which])


def _moments(activations: NDArray[Any]) -> tuple[Floats, Floats]:
    flat = activations.reshape(len(activations), -1, activations.shape[-1]).astype(np.float32)
    mean = flat.mean(axis=1, keepdims=True)
    centred = flat - mean
    covariances = np.matmul(centred.transpose(0, 2, 1), centred) / flat.shape[1]
    return mean[:, 0].astype(np.float64), covariances.astype(np.float64)


@dataclass(frozen=True)
class LogCovariance:
    """The logarithm of the covariance of a stage's principal channels.

    A straight plane tells such logarithms apart as it can't the covariances themselves (Arsigny et
    al. 2006, Magnetic Resonance in Medicine 56:411). With more channels than an image has
    positions a covariance has no full rank, so that the principal directions of the images that
    were trained on are taken.

    Attributes:
        directions: float64 (channels, principal channels), orthonormal.
        ridge: what is added to each variance before the logarithm.
    """

    directions: Floats
    ridge: float

    @classmethod
    def fit(cls, covariances: Floats, channels: int) -> Self:
        """Find the principal channels of images, and how large a variance is with them.

        Args:
            covariances: (images, channels, channels), at least one image.
            channels: kept at most.
        """
        values, vectors = np.linalg.eigh(covariances.mean(axis=0))
        kept = min(channels, len(values))
        directions = vectors[:, ::-1][:, :kept]
        variance = float(np.maximum(values[::-1][:kept], 0.0).mean())
        return cls(directions, RIDGE * variance or RIDGE)

    def numbers(self, covariances: Floats) -> Floats:
        """Return what `covariance.logarithm` makes of each image, (images, triangle)."""
        within = np.einsum(
            "ck,ncd,dl->nkl", self.directions, covariances, self.directions, optimize=True
        )
        return covariance.logarithm(within + self.ridge * np.eye(within.shape[-1]), self.ridge / 2)
