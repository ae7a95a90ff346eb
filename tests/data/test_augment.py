"""Augmentation: one strength, from nothing to the study's."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def images(count: int = 64) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 24, 24, 3)).astype(np.float32)


def test_strength_zero_is_no_layer_at_all() -> None:
    from mineralsweep.data import augment

    assert augment.layers(0.0) == []


def test_strength_one_is_the_study_s() -> None:
    from mineralsweep.data import augment

    (layer,) = augment.layers(1.0)
    assert (layer.flip, layer.rotation, layer.zoom) == (0.5, 0.25, 0.3)
    (layer,) = augment.layers(0.5)
    assert (layer.flip, layer.rotation, layer.zoom) == (0.25, 0.125, 0.15)


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_layers_act_in_training_alone(strength: float) -> None:
    from mineralsweep.data import augment

    batch = images()
    for layer in augment.layers(strength, seed=1):
        np.testing.assert_array_equal(np.asarray(layer(batch, training=False)), batch)
        assert not np.array_equal(np.asarray(layer(batch, training=True)), batch)
        assert layer.count_params() == 0


def view(batch: np.ndarray, **settings: float) -> np.ndarray:
    from mineralsweep.data.augment import RandomView

    plain = {"flip": 0.0, "rotation": 0.0, "zoom": 0.0}
    return np.asarray(RandomView(**{**plain, **settings}, seed=3)(batch, training=True))


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_the_flip_turns_as_many_images_as_its_probability_says(probability: float) -> None:
    batch = images(400)
    turned = view(batch, flip=probability)
    flipped = np.isclose(turned, batch[:, ::-1], atol=0.01).all(axis=(1, 2, 3))
    kept = np.isclose(turned, batch, atol=0.01).all(axis=(1, 2, 3))
    assert (flipped | kept).all()
    assert flipped.mean() == pytest.approx(probability, abs=0.07)


def smooth(height: int = 33, width: int = 33) -> np.ndarray:
    """Return a picture that interpolation can't spoil, brighter to the right and to the bottom."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([across, down, across + down], axis=-1)[None].repeat(64, axis=0)


def test_the_draws_are_spread_over_the_whole_range_either_way() -> None:
    """At the centre a turned and zoomed ramp tells its own angle and scale."""
    batch = smooth()
    turned = view(batch, rotation=0.25, zoom=0.3)
    across = turned[:, 16, 17, 0] - turned[:, 16, 16, 0]  # scale x cos
    down = turned[:, 16, 17, 1] - turned[:, 16, 16, 1]  # scale x sin
    np.testing.assert_allclose(turned[:, 16, 16], batch[:, 16, 16], atol=1e-3)  # the centre stays
    turns = np.arctan2(down, across) / (2 * np.pi)
    scale = np.hypot(across, down)
    assert -0.25 <= turns.min() < -0.2 < 0.2 < turns.max() <= 0.25
    assert 0.7 <= scale.min() < 0.75 < 1.25 < scale.max() <= 1.3


def test_an_oblong_image_keeps_its_shape_and_is_not_sheared() -> None:
    turned = view(smooth(21, 41), rotation=0.1)
    assert turned.shape == (64, 21, 41, 3)
    right = turned[:, 10, 21, :2] - turned[:, 10, 20, :2]
    below = turned[:, 11, 20, :2] - turned[:, 10, 20, :2]
    np.testing.assert_allclose((right * below).sum(axis=1), 0, atol=1e-3)  # still at right angles
    np.testing.assert_allclose(np.linalg.norm(right, axis=1), 1, atol=1e-3)


def test_it_turns_and_zooms_as_keras_own_layers_do() -> None:
    """Without the other, each is Keras' own layer: the same pixels for the same draw."""
    import keras

    batch = smooth()
    for ours, theirs in (
        ({"rotation": 0.2}, keras.layers.RandomRotation(0.2, seed=1)),
        ({"zoom": 0.3}, keras.layers.RandomZoom(0.3, seed=1)),
    ):
        many = view(batch, **ours)
        other = np.asarray(theirs(batch, training=True))
        mine = many[:, 8:25, 8:25].mean(axis=(1, 2))  # a fingerprint of the draw, off the border
        kept = other[:, 8:25, 8:25].mean(axis=(1, 2))
        np.testing.assert_allclose(mine.mean(axis=0), kept.mean(axis=0), atol=1.0)
        corner = np.sort(many[:, 8, 8, 0]), np.sort(other[:, 8, 8, 0])
        np.testing.assert_allclose(corner[0], corner[1], atol=2.5)  # the same distribution
