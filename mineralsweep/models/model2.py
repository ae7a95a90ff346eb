"""Model 2 of the study, plain, and model 2.1: the same with augmentation and dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mineralsweep.models.architecture import (
    Architecture,
    Hyperparameter,
    number,
    probabilities,
)

if TYPE_CHECKING:
    import keras


def build(
    input_shape: tuple[int, int, int], num_classes: int, **hyperparameters: Hyperparameter
) -> keras.Model:
    """1,016,131 parameters at 180 x 180 and 3 classes, with or without the hyperparameters.

    Args:
        input_shape: (height, width, 3) in pixels, at least 78 each way.
        num_classes: at least 2.
        hyperparameters: `augmentation`, a strength in [0, 1], and `dropout` before the last
            layer, in [0, 0.95]; each 0 when it is left out.
    """
    import keras
    from keras import layers

    from mineralsweep.data import augment

    strength = number("augmentation", hyperparameters.get("augmentation", 0.0), 0, 1)
    dropout = number("dropout", hyperparameters.get("dropout", 0.0), 0, 0.95)
    inputs = x = keras.Input(input_shape, name="image")
    for layer in augment.layers(strength):
        x = layer(x)
    x = layers.Rescaling(1 / 255)(x)
    for filters in (32, 64, 128, 256):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(256, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(
        inputs,
        probabilities(num_classes)(x),
        name="model2",
    )


MODEL2 = Architecture(
    name="model2",
    builder=build,
    image_size=(180, 180),
    smallest=78,
    optimizer="rmsprop",
    learning_rate=1e-3,
    batch_size=32,
    epochs=50,
    split="40/20/40",
    summary="five convolutions, no regularisation",
)

MODEL2_1 = Architecture(
    name="model2_1",
    builder=build,
    image_size=(180, 180),
    smallest=78,
    optimizer="rmsprop",
    learning_rate=1e-3,
    batch_size=32,
    epochs=50,
    split="40/20/40",
    summary="model2 with augmentation and dropout",
    hyperparameters={"augmentation": 1.0, "dropout": 0.5},
)
