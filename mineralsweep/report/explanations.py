"""What an answer rests on: places of the image, or an estimator's groups of features.

A network's places by Grad-CAM; a probe's by leaving them out of what is pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep import descriptors
from mineralsweep.activations.pooling import centre, moments_over
from mineralsweep.core.recipe import AXES
from mineralsweep.data.decode import Pixels
from mineralsweep.serving.probe import Probe

MAPS = 12
PLACES = 5
"""A convolution whose output has fewer places, in height or width, can't show where."""
REPEATS = 20

Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Numbers of n images, float32 (n, columns) -> probabilities, float32 (n, classes)."""


@dataclass(frozen=True)
class Look:
    """How a network came to its answer for one image.

    Attributes:
        predicted: the class with the highest probability.
        probability: of that class, in [0, 1].
        heat: float (h, w) in [0, 1], at the size of the last convolution's output, or of GRID; all
            0 where nothing speaks for the class.
        maps: float (h, w, at most 12): the channels of that convolution that answered most; none
            of a probe.
    """

    predicted: int
    probability: float
    heat: NDArray[np.float64]
    maps: NDArray[np.float64]


def look(model: Any, images: Pixels) -> list[Look]:
    """Return Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) for the predicted class.

    It is taken at `last_convolution`. The gradient is that of the logarithm of the class's
    probability with respect to that layer's output: its mean over the places weighs the channels,
    and what is below 0 after the weighing is cut off.

    Args:
        model: a Keras network that takes uint8 (n, height, width, 3).
        images: the images to look at.

    Raises:
        ValueError: the network has no convolution.
    """
    import tensorflow as tf

    with tf.GradientTape() as tape, _recorded(last_convolution(model), tape) as features:
        answers = model(images, training=False)
        predicted = tf.argmax(answers, axis=1)
        chosen = tf.gather(answers, predicted, axis=1, batch_dims=1)
        target = tf.math.log(tf.maximum(chosen, 1e-12))
    gradient = np.asarray(tf.cast(tape.gradient(target, features[-1]), tf.float32))
    values = np.asarray(tf.cast(features[-1], tf.float32), np.float64)
    weights = gradient.mean(axis=(1, 2))
    heats = np.maximum(np.einsum("nhwc,nc->nhw", values, weights), 0)
    strongest = np.argsort(-values.mean(axis=(0, 1, 2)), kind="stable")[:MAPS]
    return [
        Look(
            predicted=int(predicted[i]),
            probability=float(chosen[i]),
            heat=heats[i] / (heats[i].max() or 1.0),
            maps=values[i][:, :, strongest],
        )
        for i in range(len(images))
    ]


GRID = 7
"""Places of a probe's heat, each way."""


def look_without(probe: Probe, images: Pixels) -> list[Look]:
    """Return how much the answer of a probe loses without each place of an image.

    A place is left out of what every stage pools, in every view; the heat is what the logarithm of
    the predicted class's probability loses by it (occlusion: Zeiler & Fergus 2014,
    arXiv:1311.2901, here of activations). It holds for any pooling and any classifier.

    Args:
        probe: of `serving.probe`.
        images: uint8 (n, height, width, 3).
    """
    prepared = probe.prepare(images)
    whole = probe.answer(prepared)
    predicted = whole.argmax(axis=1)
    heats = np.zeros((len(images), GRID, GRID))
    for row in range(GRID):
        for column in range(GRID):
            rest = [
                [
                    _without(view, row, column, axes)
                    for view, axes in zip(views, AXES[probe.flips], strict=True)
                ]
                for views in prepared
            ]
            left = probe.answer(rest)
            for i, label in enumerate(predicted):
                ratio = max(whole[i, label], 1e-12) / max(left[i, label], 1e-12)
                heats[i, row, column] = max(0.0, float(np.log(ratio)))
    return [
        Look(
            predicted=int(label),
            probability=float(whole[i, label]),
            heat=heats[i] / (heats[i].max() or 1.0),
            maps=np.zeros((GRID, GRID, 0)),
        )
        for i, label in enumerate(predicted)
    ]


def _without(view: Any, row: int, column: int, axes: Sequence[int]) -> NDArray[Any]:
    """Return the moments of activations without those of one place; see `pooling.Views`."""
    height, width = view.shape[1:3]
    rows, columns = (np.arange(side) * GRID // side for side in (height, width))
    inside = np.outer(rows == row, columns == column)
    inside = np.flip(inside, tuple(axis - 1 for axis in axes))
    middle = np.zeros((height, width), bool)
    middle[centre(height, width)] = True
    left = ~inside & middle if (~inside & middle).any() else ~inside
    activations = np.asarray(view).astype(np.float32)
    return np.concatenate([moments_over(activations[:, kept]) for kept in (~inside, left)], axis=1)


def last_convolution(model: Any) -> Any:
    """Return the convolution nearest to the answer whose output has at least 5 x 5 places.

    Convolutions of single pixels count where there are no others. Where all outputs are smaller,
    it is the one with the most places.

    Raises:
        ValueError: there is none.
    """
    found = convolutions(model)
    if not found:
        raise ValueError("the network has no convolution")
    large = [layer for layer in found if min(layer.output.shape[1:3]) >= PLACES]
    return large[-1] if large else max(found, key=lambda layer: min(layer.output.shape[1:3]))


def convolutions(model: Any) -> list[Any]:
    """Return the layers that convolve, from the image on; wider than one pixel, if any is."""
    import keras

    kinds = (keras.layers.Conv2D, keras.layers.SeparableConv2D, keras.layers.DepthwiseConv2D)
    found = [layer for layer in _all_layers(model) if isinstance(layer, kinds)]
    return [layer for layer in found if max(layer.kernel_size) > 1] or found


def _all_layers(model: Any) -> Iterator[Any]:
    """Give the layers in their order, those of nested networks (a pretrained trunk) included."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _all_layers(layer)
        else:
            yield layer


@contextmanager
def _recorded(layer: Any, tape: Any) -> Iterator[list[Any]]:
    """Keep what a layer answers while the context lasts, watched by the tape."""
    kept: list[Any] = []
    call = layer.call

    def recording(*inputs: Any, **options: Any) -> Any:
        answer = call(*inputs, **options)
        tape.watch(answer)
        kept.append(answer)
        return answer

    layer.call = recording
    try:
        yield kept
    finally:
        layer.call = call


@dataclass(frozen=True)
class Drop:
    """What an estimator loses without one group of features.

    `mean` and `spread` (standard deviation) are of the accuracy lost, over the shufflings.
    """

    group: str
    mean: float
    spread: float


def drops(
    answer: Answer, features: NDArray[np.float32], labels: Sequence[int], used: str, seed: int = 0
) -> list[Drop]:
    """Return the accuracy lost when a group's features change places among the images.

    Permutation importance (Breiman 2001, Machine Learning 45:5), a whole group at a time. Groups
    that tell the same are each worth little: the other one stands in.

    Args:
        answer: of the model.
        features: of the images, float32 (n, columns of `used`).
        labels: n positions of classes.
        used: the set of groups that the model was fitted on, one of `descriptors.SETS`.
        seed: of the shufflings.
    """
    truth = np.asarray(labels)
    whole = float((answer(features).argmax(axis=1) == truth).mean())
    random = np.random.default_rng(seed)
    groups = []
    for block in descriptors.blocks(used):
        columns = descriptors.columns(block.name, used)
        lost = []
        for _ in range(REPEATS):
            shuffled = features.copy()
            shuffled[:, columns] = features[random.permutation(len(features)), columns]
            lost.append(whole - float((answer(shuffled).argmax(axis=1) == truth).mean()))
        groups.append(Drop(block.name, float(np.mean(lost)), float(np.std(lost))))
    return sorted(groups, key=lambda drop: -drop.mean)
