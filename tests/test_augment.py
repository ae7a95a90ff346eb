"""Augmentation: one strength, from nothing to the study's."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def images(count: int = 64) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 24, 24, 3)).astype(np.float32)


def test_strength_zero_is_no_layer_at_all() -> None:
    from mineralsweep import augment

    assert augment.layers(0.0) == []


def test_strength_one_is_the_study_s() -> None:
    from mineralsweep import augment

    flip, rotation, zoom = augment.layers(1.0)
    assert flip.probability == 0.5
    assert rotation.factor == (-0.25, 0.25)
    assert zoom.height_factor == 0.3


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_layers_act_in_training_alone(strength: float) -> None:
    from mineralsweep import augment

    batch = images()
    for layer in augment.layers(strength, seed=1):
        np.testing.assert_array_equal(np.asarray(layer(batch, training=False)), batch)
        assert not np.array_equal(np.asarray(layer(batch, training=True)), batch)
        assert layer.count_params() == 0


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_the_flip_turns_as_many_images_as_its_probability_says(probability: float) -> None:
    from mineralsweep.augment import RandomVerticalFlip

    batch = images(400)
    turned = np.asarray(RandomVerticalFlip(probability, seed=3)(batch, training=True))
    flipped = (turned == batch[:, ::-1]).all(axis=(1, 2, 3))
    kept = (turned == batch).all(axis=(1, 2, 3))
    assert (flipped | kept).all()
    assert flipped.mean() == pytest.approx(probability, abs=0.07)
