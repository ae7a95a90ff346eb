"""Model 1 of the original: five narrow convolutions with batch normalisation, then four dense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mineralsweep.models.architecture import Architecture, probabilities

if TYPE_CHECKING:
    import keras


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """779,349 parameters at 400 x 321 and 3 classes, 96 of them not trainable."""
    import keras
    from keras import layers

    inputs = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    for filters in (12, 6, 12, 6, 12):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for units in (500, 100, 50, 10):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, probabilities(num_classes)(x), name="model1")


MODEL1 = Architecture(
    name="model1",
    builder=build,
    image_size=(400, 321),
    smallest=32,
    optimizer="adam",
    learning_rate=1e-4,
    decay=1e-5,
    batch_size=24,
    epochs=50,
    split="72/18/10",
    summary="five narrow convolutions with batch normalisation",
)

ARCHITECTURES = (MODEL1,)
