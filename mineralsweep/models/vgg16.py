"""VGG16 under a small head: a frozen trunk, or one whose last layers train too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.models.architecture import (
    AUGMENTATION,
    DROPOUT,
    HEAD,
    Architecture,
    image_input,
    probabilities,
)
from mineralsweep.models.backbones import BACKBONES
from mineralsweep.models.trunk import HIDDEN, NAME, Trunk

if TYPE_CHECKING:
    import keras

TRUNK_LAYERS = 18
"""Layers of the trunk after its input: 13 convolutions and 5 poolings."""


def build(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    augmentation: float,
    dropout: float,
    unfrozen: int,
    weights: str,
    head: str,
) -> keras.Model:
    """Trunk of 14,714,688 parameters; head Flatten, Dense 256 (linear), Dropout, Dense softmax.

    Simonyan & Zisserman, arXiv:1409.1556. The images pass through VGG16's own preprocessing
    (BGR, ImageNet's mean subtracted) inside the model.

    Args:
        input_shape: (height, width, 3) in pixels, at least 32 each way.
        num_classes: at least 2.
        augmentation: its strength, in [0, 1].
        dropout: in the head, in [0, 0.95].
        unfrozen: trainable layers from the top of the trunk (0: frozen, 4: block5, 18: all).
        weights: see `models.weights.resolve`.
        head: where it starts; training sees to it.

    Raises:
        WeightsUnavailable: the weights can't be had.
    """
    import keras
    from keras import layers

    inputs, x = image_input(input_shape, augmentation)
    x = BACKBONES["vgg16"].scale(x)
    x = _trunk(input_shape, unfrozen, weights)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, name=HIDDEN)(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, probabilities(num_classes)(x), name="vgg16")


def _trunk(input_shape: tuple[int, int, int], unfrozen: int, weights: str) -> keras.Model:
    backbone = BACKBONES["vgg16"]
    trunk = backbone.trunk(input_shape, NAME)
    backbone.load(trunk, weights)
    for layer in trunk.layers[: len(trunk.layers) - unfrozen]:
        layer.trainable = False
    return trunk


def segment(model: keras.Model, start: int | None, stop: int | None) -> keras.Model:
    """Return the part of a network of `build` between two cuts; see `Segmenter`.

    Augmentation is no part of it.
    """
    import keras

    trunk = model.get_layer(NAME)
    names = [layer.name for layer in model.layers]
    head = model.layers[names.index(NAME) + 1 :]
    first = 0 if start is None else TRUNK_LAYERS - start
    last = TRUNK_LAYERS if stop is None else TRUNK_LAYERS - stop
    if start is None:
        inputs = keras.Input(model.input_shape[1:])
        x = BACKBONES["vgg16"].scale(inputs)
    else:
        inputs = x = keras.Input(trunk.layers[first].output.shape[1:], dtype="bfloat16")
    for layer in trunk.layers[1 + first : 1 + last]:
        x = layer(x)
    for layer in head if stop is None else []:
        x = layer(x)
    return keras.Model(inputs, x)


UNFROZEN = Hyperparameter(
    "unfrozen", "int", "trainable layers from the top of the trunk; 0: frozen, 4: block5",
    default=0, low=0, high=TRUNK_LAYERS,
)  # fmt: skip

VGG16 = Architecture(
    name="vgg16",
    builder=build,
    image_size=(180, 180),
    smallest=32,
    optimizer="adam",
    learning_rate=1e-6,  # the head's inputs are hundreds: a larger step loses where it started
    batch_size=32,
    epochs=100,
    split="40/20/40",
    summary="VGG16 trunk, frozen or partly unfrozen, under a small head",
    own=(AUGMENTATION.with_default(1.0), DROPOUT.with_default(0.5), UNFROZEN, HEAD),
    backbone="vgg16",
    trunk=Trunk("unfrozen", lambda _: TRUNK_LAYERS, segment, learning_rate=1e-5),
)

ARCHITECTURES = (VGG16,)
