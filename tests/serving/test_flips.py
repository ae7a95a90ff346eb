"""Test-time flips: the mean over views, kept beside the network, equal for mirrored images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mineralsweep.core.recipe import Flips
from mineralsweep.serving import flips


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
    expected = flips.averaged(lopsided, IMAGES, setting)
    assert not np.allclose(expected, lopsided(IMAGES))
    for axis in axes:
        mirrored = flips.averaged(lopsided, np.flip(IMAGES, axis), setting)
        np.testing.assert_allclose(mirrored, expected, atol=1e-6)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    assert expected.dtype == np.float32


def test_none_asks_once_and_changes_nothing() -> None:
    np.testing.assert_array_equal(flips.averaged(lopsided, IMAGES, "none"), lopsided(IMAGES))


def test_the_setting_is_kept_in_the_folder(tmp_path: Path) -> None:
    flips.save("none", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert flips.load(tmp_path) == "none"
    flips.save("all", tmp_path)
    assert flips.load(tmp_path) == "all"


def test_another_word_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / flips.FILE).write_text('"upside-down"')
    with pytest.raises(ValueError, match="must be one of none, horizontal, all, got 'upside-down'"):
        flips.load(tmp_path)
