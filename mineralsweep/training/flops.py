"""Floating-point operations of a network's forward pass, counted from its layers' shapes."""

from __future__ import annotations

from math import prod

import keras


def count(model: keras.Model) -> int:
    """Return the operations for one image: two (multiply, add) a weight used in Conv2D and Dense.

    Other layers (pooling, activations, normalisation) are a few hundredths of these and are
    left out.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += count(layer)
        elif isinstance(layer, keras.layers.Conv2D):
            height, width = layer.output.shape[1:3]
            total += 2 * height * width * prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            total += 2 * prod(layer.kernel.shape)
    return total
