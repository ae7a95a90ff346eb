"""Test-time flips: the mean over views, kept beside the network, equal for mirrored images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mineralsweep.core.recipe import Flips
from mineralsweep.serving import network


def lopsided(images: np.ndarray) -> np.ndarray:
    """Answer with the share of light in each quarter: no two views of an image look alike."""
    middle = images.shape[1] // 2
    parts = [images[:, :middle, :middle], images[:, :middle, middle:],
             images[:, middle:, :middle], images[:, middle:, middle:]]  # fmt: skip
    light = np.stack([part.sum(axis=(1, 2, 3)) for part in parts], axis=1)
    return (light / light.sum(axis=1, keepdims=True)).astype(np.float32)


IMAGES = np.random.default_rng(0).integers(1, 256, (5, 4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize(("setting", "axes"), [("horizontal", [2]), ("all", [1, 2, (1, 2)])])
def test_a_mirrored_image_gets_the_same_answer(setting: Flips, axes: list[int]) -> None:
    expected = network.over_flips(lopsided, IMAGES, setting)
    assert not np.allclose(expected, lopsided(IMAGES))
    for axis in axes:
        mirrored = network.over_flips(lopsided, np.flip(IMAGES, axis), setting)
        np.testing.assert_allclose(mirrored, expected, atol=1e-6)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    assert expected.dtype == np.float32


def test_none_asks_once_and_changes_nothing() -> None:
    np.testing.assert_array_equal(network.over_flips(lopsided, IMAGES, "none"), lopsided(IMAGES))


@pytest.mark.slow
def test_the_setting_is_kept_beside_the_network(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    for setting in ("none", "all"):
        network.save(model, ("a", "b", "c"), tmp_path / setting, setting)
        loaded = network.load(tmp_path / setting)
        assert isinstance(loaded, network.Network)
        assert loaded.flips == setting
    assert not (tmp_path / "none" / network.FLIPS_FILE).exists()
    (tmp_path / "all" / network.FLIPS_FILE).write_text('"upside-down"')
    with pytest.raises(ValueError, match="one of none, horizontal, all, got 'upside-down'"):
        network.load(tmp_path / "all")
