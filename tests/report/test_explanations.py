"""Grad-CAM and permutation importance, on models whose reasons are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mineralsweep import descriptors
from mineralsweep.report.explanations import (
    GRID,
    MAPS,
    drops,
    last_convolution,
    look,
    look_without,
)
from mineralsweep.serving.probe import Probe, StageClassifier


def bright_spot_network(nested: bool = False) -> Any:
    """Build a network whose class 1 is "there is something bright", by hand-set weights."""
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 3))
    convolution = layers.Conv2D(2, 3, padding="same", activation="relu", name="last")
    x: Any = layers.Rescaling(1 / 255)(inputs)
    if nested:
        inner = keras.Input((16, 16, 3))
        x = keras.Model(inner, convolution(inner), name="trunk")(x)
    else:
        x = convolution(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[1, 1, :, 0] = 1
    convolution.set_weights([kernel, np.zeros(2, np.float32)])
    model.layers[-1].set_weights([np.array([[-50, 50], [0, 0]], np.float32), np.array([1.0, 0])])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("nested", [False, True])
def test_the_heat_lies_where_the_evidence_is(nested: bool) -> None:
    images = np.zeros((2, 16, 16, 3), np.uint8)
    images[0, 2:5, 10:13] = 255
    model = bright_spot_network(nested)
    bright, dark = look(model, images)
    assert bright.predicted == 1
    assert bright.probability > 0.9
    assert bright.heat.shape == (16, 16)
    assert bright.heat[2:5, 10:13].min() == pytest.approx(1)
    assert bright.heat[8:, :8].max() == 0
    assert dark.predicted == 0
    assert dark.heat.max() == 0
    assert bright.maps.shape == (16, 16, min(2, MAPS))
    assert model(images, training=False).shape == (2, 2)  # it works as before


@pytest.mark.slow
def test_a_network_without_a_convolution_is_refused() -> None:
    import keras

    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="no convolution"):
        last_convolution(model)


def test_the_group_that_decides_is_the_one_that_is_missed() -> None:
    random = np.random.default_rng(0)
    labels = [0, 1] * 20
    numbers = random.random((40, descriptors.count("whole_and_grid"))).astype(np.float32)
    column = 232 + 198  # the first one of the grid
    numbers[:, column] = labels

    def answer(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([1 - numbers[:, column], numbers[:, column]], axis=1)

    lost = drops(answer, numbers, labels, "whole_and_grid")
    assert lost[0].group == "grid"
    assert 0.3 < lost[0].mean < 0.7
    assert lost[0].spread > 0
    assert all((drop.mean, drop.spread) == (0, 0) for drop in lost[1:])
    assert {drop.group for drop in lost} == set(descriptors.SETS["whole_and_grid"])
    assert drops(answer, numbers, labels, "whole_and_grid") == lost


def test_a_probe_loses_most_without_the_place_that_speaks_for_its_answer() -> None:
    """A probe of brightness, asked about dark images with one bright corner."""
    side = 28
    inputs = keras.Input((side, side, 3))
    plain = keras.Model(inputs, [keras.layers.Rescaling(1 / 255)(inputs)])
    empty = Probe(plain, (), ("dark", "bright"), (side, side), "horizontal", "brightness")
    random = np.random.default_rng(0)
    levels = np.concatenate([random.uniform(0, 2, 20), random.uniform(4, 9, 20)])
    flat = np.tile(levels[:, None, None, None], (1, side, side, 3)).astype(np.uint8)
    member = StageClassifier("all", None, None)
    numbers = member.numbers(empty.prepare(flat)[0])
    classifier = LogisticRegression(C=1000).fit(numbers, np.arange(40) // 20)
    probe = replace(empty, members=(replace(member, classifier=classifier),))
    images = np.zeros((2, side, side, 3), np.uint8)
    images[0, :4, -4:] = 255  # top right: one place of seven by seven
    bright, dark = look_without(probe, images)
    assert (bright.predicted, dark.predicted) == (1, 0)
    assert np.unravel_index(bright.heat.argmax(), bright.heat.shape) == (0, GRID - 1)
    assert (bright.heat > 0.5).sum() == 1
    assert bright.heat.max() == 1
    assert dark.heat.max() <= 1
    assert bright.maps.shape[2] == 0
