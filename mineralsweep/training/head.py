"""The last layers of a network, started from a linear model on what its trunk answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mineralsweep.activations.pooling import LogCovariance
from mineralsweep.models.architecture import LAST
from mineralsweep.models.colour_texture import ESTIMATORS
from mineralsweep.models.trunk import HIDDEN, PRINCIPAL, STANDARDIZED

Floats = NDArray[np.float64]
BATCH = 64
ABSENT = -20.0
"""The bias of a class without a training image."""


def start(whole: keras.Model, views: Sequence[Any], labels: Any, penalty: float) -> None:
    """Give the layers of a head their first weights.

    Args:
        whole: the network; its layers are called as `models.trunk` and `models.architecture` say.
        views: what the trunk answers to the training images: (images, ...) a view, at least one.
        labels: one class number an image.
        penalty: how much large weights cost, for one view.
    """
    layers = {layer.name: layer for layer in whole.layers}
    if PRINCIPAL in layers:
        kernel = layers[PRINCIPAL].kernel
        directions = LogCovariance.fit(views, kernel.shape[-1]).directions
        kernel.assign(directions[None, None])
    end = next(layers[name] for name in (STANDARDIZED, HIDDEN, LAST) if name in layers)
    numbers = _numbers(keras.Model(_first(whole).input, end.input), views)
    labels = np.tile(np.asarray(labels), len(views))
    mean, spread = numbers.mean(axis=0), numbers.std(axis=0)
    spread[spread == 0] = 1.0
    last = layers[LAST]
    kernel, bias = _linear(
        (numbers - mean) / spread, labels, last.kernel.shape[-1], penalty * len(views)
    )
    if STANDARDIZED in layers:
        layers[STANDARDIZED].set_weights([mean, spread**2])
    else:
        kernel = kernel / spread[:, None]
        bias = bias - mean @ kernel
    if HIDDEN in layers:
        # A linear layer and another make one: the classes' directions are laid into the first.
        into = _orthonormal(last.kernel.shape)
        layers[HIDDEN].set_weights([kernel @ into.T, np.zeros(len(into))])
        kernel = into
    last.set_weights([kernel, bias])


def _first(whole: keras.Model) -> keras.Layer:
    """Return the layer that comes after the trunk."""
    trunk = next(i for i, one in enumerate(whole.layers) if isinstance(one, keras.Model))
    return whole.layers[trunk + 1]


def _numbers(pooling: keras.Model, views: Sequence[Any]) -> Floats:
    found = [
        np.asarray(pooling(np.asarray(view[start : start + BATCH]), training=False))
        for view in views
        for start in range(0, len(view), BATCH)
    ]
    return np.concatenate(found).astype(np.float64)


def _linear(numbers: Floats, labels: Any, classes: int, penalty: float) -> tuple[Floats, Floats]:
    """Return the kernel (columns, classes) and bias of a probe's linear model."""
    model = ESTIMATORS["linear"](0, penalty)[-1].fit(numbers, labels)
    kernel, bias = np.zeros((numbers.shape[1], classes)), np.full(classes, ABSENT)
    coefficients, intercepts = model.coef_.T, model.intercept_
    if len(model.classes_) == 2:  # one logit, of the second against the first
        coefficients = np.concatenate([0 * coefficients, coefficients], axis=1)
        intercepts = np.concatenate([0 * intercepts, intercepts])
    kernel[:, model.classes_], bias[model.classes_] = coefficients, intercepts
    return kernel, bias


def _orthonormal(shape: tuple[int, int]) -> Floats:
    """Return orthonormal columns, the same ones each time."""
    found: Floats = np.linalg.qr(np.random.default_rng(0).normal(size=shape))[0]
    return found
