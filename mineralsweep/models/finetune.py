"""A pretrained backbone up to a stage, under the head of a probe; its last stages train too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mineralsweep.activations.pooling import PRINCIPAL_CHANNELS, margins
from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.core.recipe import Recipe
from mineralsweep.models import backbones
from mineralsweep.models.architecture import (
    AUGMENTATION,
    DROPOUT,
    HEAD,
    Architecture,
    image_input,
    probabilities,
)
from mineralsweep.models.backbones import BACKBONES, Backbone, Border
from mineralsweep.models.probe import BACKBONE, PENALTY, POOLING, stages_of
from mineralsweep.models.roots import square_root
from mineralsweep.models.trunk import PRINCIPAL, STANDARDIZED, Hyperparameters, Trunk

if TYPE_CHECKING:
    import keras

RIDGE = 1e-3
"""Added to the diagonal of a covariance, in parts of its mean variance."""
ROOTS = (16, 10, 8)
"""Steps of Newton's iteration of each square root, one after the other.

A third root of the root is a power of 1/8: linear models on it do as well as on the logarithm,
whose gradient is no sum of products. A root needs as many steps as its smallest eigenvalue takes
to grow to 1 by 2.25 a step.
"""
MOST_STAGES = 8


def build(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    backbone: str,
    stage: str,
    unfrozen_stages: int,
    pooling: str,
    augmentation: float,
    dropout: float,
    weights: str,
    **unread: Any,
) -> keras.Model:
    """Return a backbone up to a stage, its activations pooled, standardised, and a Dense softmax.

    BatchNormalization is in inference mode throughout: with a few hundred images, moving statistics
    and scales fitted on ImageNet are better than new ones (Keras's guide to transfer learning).

    Args:
        input_shape: (height, width, 3) in pixels.
        num_classes: at least 2.
        backbone: of `models.backbones`.
        stage: whose activations are pooled; `middle`: the last of the middle ones, `top`: the last.
        unfrozen_stages: that train, from that stage down; all of them where there are fewer.
        pooling: one of POOLINGS.
        augmentation: its strength, in [0, 1].
        dropout: of the pooled numbers, in [0, 0.95].
        weights: see `models.weights.resolve`.
        unread: what decides how it is trained.

    Raises:
        ArchitectureError: the backbone has no such stage.
        WeightsUnavailable: the weights can't be had.
    """
    import keras
    from keras import layers

    row = backbones.get(backbone)
    inputs, x = image_input(input_shape, augmentation)
    trunk = row.trunk(input_shape, row.name)
    row.load(trunk, weights)
    end = row.cut(trunk, [_stage(row, stage)]).outputs[0]
    trunk = keras.Model(trunk.input, end, name=row.name)
    _freeze(trunk, unfrozen_stages)
    x = trunk(row.scale(x), training=False)
    x = (_covariance if pooling == "covariance" else _moments)(x)
    x = layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-12, trainable=False, dtype="float32",
        name=STANDARDIZED,
    )(x)  # fmt: skip
    if dropout:
        x = layers.Dropout(dropout, dtype="float32")(x)
    return keras.Model(inputs, probabilities(num_classes)(x), name="finetune")


def _stage(row: Backbone, asked: str) -> str:
    return stages_of(row, asked)[-1]


def _freeze(trunk: keras.Model, unfrozen: int) -> None:
    from keras import layers

    borders = _borders(trunk)
    frozen = 0 if unfrozen >= len(borders) else borders[-1 - unfrozen].layers
    for place, layer in enumerate(trunk.layers):
        layer.trainable = place >= frozen and not isinstance(layer, layers.BatchNormalization)


def _borders(trunk: keras.Model) -> list[Border]:
    """Return where each stage ends that a trunk of `build` has."""
    return list(BACKBONES[trunk.name].borders(trunk).values())


def _moments(x: Any) -> Any:
    """Pool to each channel's mean and standard deviation over positions."""
    from keras import layers, ops

    positions = layers.Activation("linear", dtype="float32")(x)
    mean = ops.mean(positions, axis=(1, 2))
    spread = ops.sqrt(ops.var(positions, axis=(1, 2)) + 1e-6)
    return ops.concatenate([mean, spread], axis=1)


def _covariance(x: Any) -> Any:
    """Pool to a power of the covariance of the principal channels: of an image, and its centre."""
    from keras import layers

    height, width, channels = x.shape[1:]
    side = min(PRINCIPAL_CHANNELS, channels)
    x = layers.Conv2D(side, 1, use_bias=False, dtype="float32", name=PRINCIPAL)(x)
    middle = layers.Cropping2D(margins(height, width), dtype="float32")(x)
    return layers.Concatenate(dtype="float32")([_power(x), _power(middle)])


def _power(x: Any) -> Any:
    """Return the root of the root of the root of each image's covariance, as a row."""
    import numpy as np
    from keras import layers, ops

    height, width, side = x.shape[1:]
    x = layers.Reshape((height * width, side), dtype="float32")(x)
    x = x - ops.mean(x, axis=1, keepdims=True)
    covariance = ops.matmul(ops.transpose(x, (0, 2, 1)), x) / float(height * width)
    variance = ops.mean(ops.square(x), axis=(1, 2))[:, None, None] + 1e-12
    eye = np.eye(side, dtype=np.float32)
    # Eigenvalues from RIDGE / (1 + RIDGE) / side to 1, whatever the image's contrast.
    whole = float(side) * (1.0 + RIDGE)
    x = (covariance / variance + RIDGE * eye) / whole
    for steps in ROOTS:
        x, _ = square_root(x, eye, steps)
    power = 1.0 / 2 ** len(ROOTS)
    return layers.Flatten(dtype="float32")(x * ops.power(whole * variance, power))


def parts(hyperparameters: Hyperparameters) -> int:
    """Return how many stages can be unfrozen: those up to the one that is pooled."""
    row = backbones.get(str(hyperparameters["backbone"]))
    return list(row.stages).index(_stage(row, str(hyperparameters["stage"]))) + 1


def segment(model: keras.Model, start: int | None, stop: int | None) -> keras.Model:
    """Return the part of a network of `build` between two cuts; see `Segmenter`.

    Augmentation is no part of it.
    """
    import keras

    trunk = _trunk(model)
    borders = _borders(trunk)

    def border(cut: int) -> Any:
        return borders[-1 - cut].tensor

    if start is None:
        inputs = keras.Input(model.input_shape[1:])
        x = BACKBONES[trunk.name].scale(inputs)
        beginning = trunk.input
    else:
        beginning = border(start)
        inputs = x = keras.Input(beginning.shape[1:], dtype="bfloat16")
    end = trunk.outputs[0] if stop is None else border(stop)
    if end is not beginning:
        x = keras.Model(beginning, end)(x, training=False)
    if stop is None:
        place = [layer.name for layer in model.layers].index(trunk.name)
        head = model.layers[place + 1]
        x = keras.Model(head.input, model.outputs[0])(x)
    return keras.Model(inputs, x)


def _trunk(model: keras.Model) -> Any:
    return next(layer for layer in model.layers if layer.name in BACKBONES)


def factors(model: keras.Model, hyperparameters: Hyperparameters) -> Mapping[int, float]:
    """Return what the learning rate of each variable of the trunk is multiplied by.

    A stage has `layer_decay` times the rate of the one above it, the topmost that of the head
    (Howard & Ruder, arXiv:1801.06146; Clark et al., arXiv:2003.10555).
    """
    trunk = _trunk(model)
    borders = _borders(trunk)
    decay = float(hyperparameters["layer_decay"] or 1.0)
    found = {}
    for place, layer in enumerate(trunk.layers):
        above = sum(place < border.layers for border in borders)
        found.update({id(one): decay**above for one in layer.trainable_variables})
    return found


FINETUNE = Architecture(
    name="finetune",
    summary="a pretrained backbone whose last stages train, from a probe's solution on",
    builder=build,
    image_size=(320, 320),
    smallest=64,
    optimizer="adamw",
    learning_rate=1e-5,
    batch_size=16,
    epochs=12,
    recipe=Recipe(
        schedule="cosine", warmup=1, weight_decay=1e-4, label_smoothing=0.1, flips="horizontal"
    ),
    own=(
        BACKBONE,
        Hyperparameter(
            "stage", "name", "whose activations are pooled: middle, top, or a name such as block4",
            default="middle", depends_on=BACKBONE.name,
        ),
        Hyperparameter(
            "unfrozen_stages", "int", "stages that train, from the pooled one down; 0: none",
            default=1, low=0, high=MOST_STAGES,
        ),
        POOLING,
        PENALTY,
        Hyperparameter(
            "layer_decay", "float", "the rate of a stage, in parts of the rate of the one above",
            default=0.7, low=0.01, high=1.0,
        ),
        AUGMENTATION.with_default(0.0),
        DROPOUT.with_default(0.0),
        HEAD,
    ),
    trunk=Trunk(
        "unfrozen_stages", parts, segment, learning_rate=1e-5, factors=factors,
    ),
)  # fmt: skip

ARCHITECTURES = (FINETUNE,)
