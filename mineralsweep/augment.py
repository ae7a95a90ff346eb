"""Augmentation as one strength in [0, 1]."""

from __future__ import annotations

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
        seed: of every layer's own random numbers; None takes Keras' global seed.

    The layers take float or uint8 (batch, height, width, 3) and have no weights.
    """
    if strength == 0:
        return []
    return [
        RandomVerticalFlip(FLIP_PROBABILITY_AT_FULL * strength, seed=seed),
        keras.layers.RandomRotation(ROTATION_AT_FULL * strength, seed=seed),
        keras.layers.RandomZoom(ZOOM_AT_FULL * strength, seed=seed),
    ]


class RandomVerticalFlip(keras.layers.Layer):  # type: ignore[misc]
    """Flip each image of a batch top to bottom with `probability`, while training.

    Keras' own RandomFlip always takes one half.
    """

    def __init__(self, probability: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.probability = probability
        self._generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        if not training:
            return images
        draws = keras.random.uniform((keras.ops.shape(images)[0], 1, 1, 1), seed=self._generator)
        return keras.ops.where(draws < self.probability, keras.ops.flip(images, axis=1), images)
