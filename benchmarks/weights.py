"""Weights for VGG16's trunk where ImageNet's can't be had: random, and fit to train on.

Keras' own random weights let the signal fade from layer to layer, until every image looks the same
to the head. He initialisation (arXiv:1502.01852) keeps it; the cost of a step is the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

PIXEL_SCALE = 64.0
"""About the standard deviation of a photograph's pixels less their mean."""


def write_random(path: Path, seed: int = 0) -> Path:
    """Write a weights file for `weights: PATH`, the same one for the same seed."""
    import keras

    trunk = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    random = np.random.default_rng(seed)
    for layer in trunk.layers:
        if layer.get_weights():
            kernel, bias = layer.get_weights()
            deviation = np.sqrt(2 / np.prod(kernel.shape[:3]))
            values = random.normal(0, deviation, kernel.shape).astype(np.float32)
            layer.set_weights([values, bias])
    first = trunk.get_layer("block1_conv1")
    kernel, bias = first.get_weights()
    first.set_weights([kernel / PIXEL_SCALE, bias])
    path.parent.mkdir(parents=True, exist_ok=True)
    trunk.save_weights(path)
    return path
