"""Augmentation as one strength in [0, 1]."""

from __future__ import annotations

import math
from typing import Any

import keras

ROTATION_AT_FULL = 0.25
"""In turns, either way."""
ZOOM_AT_FULL = 0.3
"""As a fraction of height and width, in or out."""
FLIP_PROBABILITY_AT_FULL = 0.5
"""Top to bottom, as in the study: its RandomFlip("vertical") flips every other image."""


def layers(strength: float, seed: int | None = None) -> list[keras.layers.Layer]:
    """Return the layers that vary an image while training, and pass it on otherwise.

    Args:
        strength: in [0, 1]; 1 is the study's augmentation, 0 gives no layer at all.
        seed: of the layer's own random numbers; None takes Keras' global seed.

    The layers take float (batch, height, width, 3) and have no weights.
    """
    if strength == 0:
        return []
    return [
        RandomView(
            flip=FLIP_PROBABILITY_AT_FULL * strength,
            rotation=ROTATION_AT_FULL * strength,
            zoom=ZOOM_AT_FULL * strength,
            seed=seed,
        )
    ]


class RandomView(keras.layers.Layer):  # type: ignore[misc]
    """Flip, turn and zoom each image of a batch about its centre, while training.

    The same draws as Keras' RandomFlip("vertical"), RandomRotation and RandomZoom one after the
    other, put into one matrix: the pixels are interpolated once instead of twice, so the image
    stays sharper and the step costs half. Outside its border an image is mirrored.

    Args:
        flip: the probability of turning it top to bottom.
        rotation: at most so many turns, either way.
        zoom: at most so much of height and width, in or out.
        seed: of the random numbers; None takes Keras' global seed.
    """

    def __init__(
        self, flip: float, rotation: float, zoom: float, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.flip, self.rotation, self.zoom = flip, rotation, zoom
        self._generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        if not training:
            return images
        return keras.ops.image.affine_transform(
            images, self._matrices(images), interpolation="bilinear", fill_mode="reflect"
        )

    def _matrices(self, images: Any) -> Any:
        """Return (batch, 8): from a pixel of the view to its place in the image."""
        ops = keras.ops
        count, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        angle = self._draw(count, -1, 1) * (2 * math.pi * self.rotation)
        scale = 1 + self._draw(count, -1, 1) * self.zoom
        turned = ops.where(self._draw(count, 0, 1) < self.flip, -1.0, 1.0)
        cos, sin = scale * ops.cos(angle), scale * ops.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        across = (cos, -sin, x - cos * x + sin * y)
        down = (turned * sin, turned * cos, y - turned * (sin * x + cos * y))
        nothing = ops.zeros_like(cos)
        return ops.stack([*across, *down, nothing, nothing], axis=1)

    def _draw(self, count: Any, low: float, high: float) -> Any:
        return keras.random.uniform((count,), low, high, dtype="float32", seed=self._generator)
