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
"""One array a view of the same images: activations (images, height, width, channels), or their
moments (images, REGIONS * (1 + channels), channels): of the whole image the mean over positions,
then the covariance; then those of its centre."""

REGIONS = 2
"""What of an image is pooled: the whole, and its centre, which is half as high and half as wide."""
PRINCIPAL_CHANNELS = 64
"""Channels of a stage whose covariance is taken, at most."""
RIDGE = 1e-3
"""Added to the diagonal of a covariance before its logarithm, in parts of the mean variance."""


def each(answers: Any) -> list[Any]:
    """Return a network's answers, one a stage: a loaded one gives a single one without a list."""
    return list(answers) if isinstance(answers, list | tuple) else [answers]


def mean_and_deviation(views: Views) -> Floats:
    """Return each channel's mean and standard deviation over positions: (images, 2 channels).

    Both are the means over the views.
    """
    pairs = [_mean_and_deviation(view) for view in views]
    return np.concatenate([np.mean(one, axis=0) for one in zip(*pairs, strict=True)], axis=1)


def _mean_and_deviation(view: NDArray[Any]) -> tuple[Floats, Floats]:
    if view.ndim == 3:
        channels = view.shape[-1]
        variances = np.einsum("ncc->nc", view[:, 1 : 1 + channels]).astype(np.float64)
        return np.asarray(view[:, 0], np.float64), np.sqrt(np.maximum(variances, 0.0))
    flat = _flat(view)
    return flat.mean(axis=1, dtype=np.float64), flat.std(axis=1, dtype=np.float64)


def moments_are_smaller(shape: Sequence[int]) -> bool:
    """Say whether the moments of an image, in float32, are fewer bytes than bfloat16 activations.

    Args:
        shape: (height, width, channels) of the activations.
    """
    height, width, channels = shape
    return 4 * REGIONS * (1 + channels) < 2 * height * width


def centre(height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of an image's centre."""
    down, across = margins(height, width)
    return slice(down, height - down), slice(across, width - across)


def margins(height: int, width: int) -> tuple[int, int]:
    """Return how far the centre lies from the upper and lower edge, and from the sides."""
    return height // 4, width // 4


def moments(activations: Any) -> Any:
    """Return float32 moments of a tensor of activations; see `Views`."""
    import tensorflow as tf

    rows, columns = centre(*activations.shape[1:3])
    regions = (activations, activations[:, rows, columns])
    return tf.concat([_moments(region) for region in regions], axis=1)


def _moments(activations: Any) -> Any:
    import tensorflow as tf

    shape = tf.shape(activations)
    flat = tf.reshape(tf.cast(activations, tf.float32), (shape[0], -1, activations.shape[-1]))
    mean = tf.reduce_mean(flat, axis=1, keepdims=True)
    centred = flat - mean
    count = tf.cast(tf.shape(flat)[1], tf.float32)
    return tf.concat([mean, tf.matmul(centred, centred, transpose_a=True) / count], axis=1)


@dataclass(frozen=True)
class LogCovariance:
    """The logarithm of the covariance of a stage's principal channels: of an image, and its centre.

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
            total += _covariances(image)[0]
        values, vectors = np.linalg.eigh(total / len(images))
        kept = min(channels, len(values))
        variance = float(np.maximum(values[::-1][:kept], 0.0).mean())
        directions = vectors[:, ::-1][:, :kept].astype(np.float32)
        return cls(np.ascontiguousarray(directions), RIDGE * variance or RIDGE)

    def numbers(self, views: Views) -> Floats:
        """Return the upper triangles of each image's logarithms: (images, `columns`).

        A covariance is the mean over the views. One image's numbers don't depend on the others.
        """
        side = self.directions.shape[1]
        matrices = np.zeros((len(views[0]), REGIONS, side, side))
        for view in views:
            for place, image in enumerate(view):
                matrices[place] += self._projected(image) / len(views)
        return self.of_covariances(matrices)

    def of_covariances(self, matrices: Floats) -> Floats:
        """Return the numbers of images whose covariances are known: (images, REGIONS, k, k)."""
        side = self.directions.shape[1]
        logarithms = covariance.logarithm(matrices + self.ridge * np.eye(side), self.ridge / 2)
        return logarithms.reshape(len(matrices), self.columns)

    @property
    def columns(self) -> int:
        """How many numbers an image has: a triangle a region."""
        side = int(self.directions.shape[1])
        return REGIONS * side * (side + 1) // 2

    def _projected(self, image: NDArray[Any]) -> Floats:
        """Return the covariances of one image's principal channels: (REGIONS, k, k)."""
        if image.ndim == 2:
            found: Floats = self.directions.T @ _covariances(image) @ self.directions
            return found
        return _covariances(np.asarray(image).astype(np.float32) @ self.directions)


def _flat(activations: NDArray[Any]) -> NDArray[np.float32]:
    """Return (..., positions, channels) of (..., height, width, channels)."""
    shape = (*activations.shape[:-3], -1, activations.shape[-1])
    return np.asarray(activations).reshape(shape).astype(np.float32)


def _covariances(image: NDArray[Any]) -> Floats:
    """Return (REGIONS, channels, channels) of one image's activations, or of its moments."""
    if image.ndim == 2:
        channels = image.shape[1]
        return image.reshape(REGIONS, 1 + channels, channels)[:, 1:].astype(np.float64)
    regions = (image, image[centre(*image.shape[:2])])
    return np.stack([moments_over(_flat(region))[1:] for region in regions]).astype(np.float64)


def moments_over(positions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (..., 1 + channels, channels) of (..., positions, channels): mean, then covariance."""
    mean = positions.mean(axis=-2, keepdims=True)
    centred = positions - mean
    second = centred.swapaxes(-2, -1) @ centred / positions.shape[-2]
    return np.concatenate([mean, second], axis=-2)
