"""Trained models as one function from pixels to what is left for Python to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mineralsweep.activations.pooling import centre, each
from mineralsweep.core.recipe import AXES, Flips
from mineralsweep.serving.network import Network
from mineralsweep.serving.probe import Probe, StageClassifier

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Graph = Callable[["tf.Tensor"], "list[tf.Tensor] | dict[str, tf.Tensor]"]
"""uint8 (n, height, width, 3) -> tensors whose first dimension is n, which may have names."""


def of_network(network: Network) -> Graph:
    """Return what answers with the probabilities, and with the embedding if there is one.

    The embedding is the mean over positions of the last layer whose output has positions.
    """
    import keras
    import tensorflow as tf

    model = network.model
    source = _last_with_positions(model)
    both = model if source is None else keras.Model(model.inputs, [model.outputs[0], source])

    def graph(images: tf.Tensor) -> list[tf.Tensor]:
        seen, mean = views(images, network.flips)
        answers = each(both(seen, training=False))
        if source is None:
            return [mean(answers[0])]
        positions = tuple(range(1, len(source.shape) - 1))
        return [mean(answers[0]), mean(tf.reduce_mean(tf.cast(answers[1], tf.float32), positions))]

    return graph


def _last_with_positions(model: keras.Model) -> Any:
    """Return the output of the last layer that has (height, width) or tokens; None without."""
    outputs = [layer.output for layer in model.layers]
    found = [one for one in outputs if not isinstance(one, list) and len(one.shape) in (3, 4)]
    # The first is the image itself.
    return found[-1] if len(found) > 1 else None


def of_probes(probes: Sequence[Probe]) -> Graph:
    """Return what answers with all that probes on one backbone pool, then the embedding.

    A stage's covariances are of the principal channels: (n, regions, k, k). The embedding is the
    mean over positions of the deepest stage.

    Args:
        probes: whose `prepared_as` and image size are the same.
    """
    import tensorflow as tf

    first = probes[0]

    def graph(images: tf.Tensor) -> list[tf.Tensor]:
        seen, mean = views(images, first.flips)
        stages = [tf.cast(one, tf.float32) for one in each(first.network(seen, training=False))]
        found = [
            mean(pooled(stage, member))
            for probe in probes
            for stage, member in zip(stages, probe.members, strict=True)
        ]
        return [*found, mean(tf.reduce_mean(stages[-1], (1, 2)))]

    return graph


def views(images: Any, flips: Flips) -> tuple[Any, Callable[[Any], Any]]:
    """Return the mirror images that are answered together, and what takes means over them.

    They stand one after the other: float32 (views * n, height, width, 3).

    Args:
        images: a tensor of TensorFlow, or a symbolic one of Keras; so in the functions below.
        flips: which mirror images.
    """
    from keras import ops

    pixels = ops.cast(images, "float32")
    mirrored = {axis: slice(None, None, -1) for axis in (1, 2)}
    turned = [
        pixels[tuple(mirrored[axis] if axis in axes else slice(None) for axis in range(4))]
        for axes in AXES[flips]
    ]

    def mean(numbers: Any) -> Any:
        return ops.mean(ops.reshape(numbers, (len(turned), -1, *numbers.shape[1:])), axis=0)

    return (ops.concatenate(turned, 0), mean) if len(turned) > 1 else (pixels, lambda one: one)


def pooled(activations: Any, member: StageClassifier) -> Any:
    """Return what `StageClassifier.numbers` is worked out from, of one view.

    Means, then deviations: (n, 2 * channels); or covariances of the principal channels, of the
    whole and of its centre: (n, regions, k, k).
    """
    from keras import ops

    if member.pooling is None:
        mean, variance = ops.moments(activations, (1, 2))
        return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 0.0))], 1)
    projected = ops.matmul(activations, np.asarray(member.pooling.directions))
    rows, columns = centre(*projected.shape[1:3])
    regions = (projected, projected[:, rows, columns])
    return ops.stack([_covariance(region) for region in regions], 1)


def _covariance(region: Any) -> Any:
    from keras import ops

    _, height, width, channels = region.shape
    flat = ops.reshape(region, (-1, height * width, channels))
    centred = flat - ops.mean(flat, axis=1, keepdims=True)
    return ops.matmul(ops.transpose(centred, (0, 2, 1)), centred) / float(height * width)
