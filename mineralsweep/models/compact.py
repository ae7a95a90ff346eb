"""A compact residual network for a few hundred photographs, trained from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.core.recipe import Recipe
from mineralsweep.models.architecture import (
    AUGMENTATION,
    DROPOUT,
    Architecture,
    image_input,
    probabilities,
)

if TYPE_CHECKING:
    import keras

STAGES = 4
"""Each halves height and width, and each but the first doubles the channels."""


def build(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    augmentation: float,
    dropout: float,
    width: int,
    depth: int,
) -> keras.Model:
    """Four stages of residual blocks under global average pooling.

    He et al., arXiv:1512.03385, with the stem's 7 x 7 convolution made 3 x 3, and its pooling
    left to the first stage's stride: most of the work is done on few pixels.
    Global pooling (Lin et al., arXiv:1312.4400) leaves no dense layer on positions: parameters do
    not depend on the image size.

    Args:
        input_shape: (height, width, 3) in pixels, at least 32 each way.
        num_classes: at least 2.
        augmentation: its strength, in [0, 1].
        dropout: before the last layer, in [0, 0.95].
        width: channels of the first stage.
        depth: residual blocks a stage.
    """
    import keras
    from keras import layers

    inputs, x = image_input(input_shape, augmentation)
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = _convolution(x, width, stride=2)
    x = layers.ReLU()(x)
    for stage in range(STAGES):
        for block in range(depth):
            x = _block(x, width * 2**stage, stride=1 if block else 2)
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, probabilities(num_classes)(x), name="compact")


def _block(x: Any, channels: int, stride: int) -> Any:
    """Two convolutions, added to what came in."""
    from keras import layers

    shortcut = x
    if stride != 1:
        # Every other pixel, then a convolution without a stride: the same sum as one with it, whose
        # gradient writes outside its memory on AVX-512 processors where channels are under 16.
        shortcut = layers.MaxPooling2D(1, strides=stride)(x)
    if stride != 1 or x.shape[-1] != channels:
        shortcut = _convolution(shortcut, channels, size=1)
    x = _convolution(x, channels, stride=stride)
    x = layers.ReLU()(x)
    x = _convolution(x, channels)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def _convolution(x: Any, channels: int, stride: int = 1, size: int = 3) -> Any:
    from keras import layers

    x = layers.Conv2D(
        channels,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    # Keras' own momentum, 0.99, looks back over more steps than a training on few images has.
    return layers.BatchNormalization(momentum=0.9)(x)


WIDTH = Hyperparameter(
    "width", "int", "channels of the first stage", default=16, low=4, high=128, log=True
)
DEPTH = Hyperparameter("depth", "int", "residual blocks a stage", default=1, low=1, high=4)

COMPACT = Architecture(
    name="compact",
    builder=build,
    image_size=(128, 128),
    smallest=32,
    optimizer="adamw",
    learning_rate=3e-3,
    batch_size=32,
    epochs=60,
    split="40/20/40",
    summary="a compact residual network, with a training recipe for few images",
    own=(AUGMENTATION.with_default(0.0), DROPOUT.with_default(0.2), WIDTH, DEPTH),
    recipe=Recipe(
        schedule="cosine",
        warmup=3,
        weight_decay=0.05,
        label_smoothing=0.1,
        mixup=0.2,
        colour=0.4,
        crop=0.7,
        average_weights=0.95,
        flips="horizontal",
    ),
    gains_from_bfloat16=False,
)

ARCHITECTURES = (COMPACT,)
