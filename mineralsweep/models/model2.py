"""Model 2 of the original study, plain, and model 2.1: the same with augmentation and dropout."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mineralsweep.models.architecture import (
    AUGMENTATION,
    DROPOUT,
    Architecture,
    image_input,
    probabilities,
)

if TYPE_CHECKING:
    import keras


def build(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    augmentation: float = 0.0,
    dropout: float = 0.0,
) -> keras.Model:
    """1,016,131 parameters at 180 x 180 and 3 classes, whatever the hyperparameters.

    Args:
        input_shape: (height, width, 3) in pixels, at least 78 each way.
        num_classes: at least 2.
        augmentation: its strength, in [0, 1].
        dropout: before the last layer, in [0, 0.95].
    """
    import keras
    from keras import layers

    inputs, x = image_input(input_shape, augmentation)
    x = layers.Rescaling(1 / 255)(x)
    for filters in (32, 64, 128, 256):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(256, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, probabilities(num_classes)(x), name="model2")


MODEL2 = Architecture(
    name="model2",
    summary="five convolutions, no regularisation",
    builder=build,
    image_size=(180, 180),
    smallest=78,
    optimizer="rmsprop",
    learning_rate=1e-3,
    batch_size=32,
    epochs=50,
    split="40/20/40",
)

MODEL2_1 = replace(
    MODEL2,
    name="model2_1",
    summary="model2 with augmentation and dropout",
    own=(AUGMENTATION.with_default(1.0), DROPOUT.with_default(0.5)),
)

ARCHITECTURES = (MODEL2, MODEL2_1)
