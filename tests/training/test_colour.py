"""Varied colours: bounded, drawn an image, and nothing at strength 0."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.training import colour

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def images(count: int = 200) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 5, 3)).astype(np.float32)


def test_strength_zero_changes_nothing() -> None:
    batch = images(3)
    assert colour.vary(batch, 0.0, np.random.default_rng(1)) is batch


def test_pixels_stay_in_their_range_and_each_image_has_its_own_draw() -> None:
    batch = np.repeat(images(1), 50, axis=0)
    varied = colour.vary(batch, 1.0, np.random.default_rng(1))
    assert varied.shape == batch.shape
    assert varied.dtype == np.float32
    assert varied.min() >= 0
    assert varied.max() <= 255
    assert len(np.unique(varied.mean(axis=(1, 2, 3)))) == 50


def test_brightness_stays_within_its_factor() -> None:
    """A grey image has no contrast, saturation or hue: brightness alone shows."""
    grey = np.full((500, 4, 4, 3), 100, np.float32)
    factors = colour.vary(grey, 0.5, np.random.default_rng(2)) / 100
    limit = np.exp(0.5 * colour.FACTOR_AT_FULL)
    assert factors.max() <= limit + 1e-3
    assert factors.min() >= 1 / limit - 1e-3
    assert factors.max() > 0.95 * limit
    np.testing.assert_allclose(factors.std(axis=(1, 2, 3)), 0, atol=1e-3)  # it stays grey


def test_contrast_leaves_the_mean_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.array([[0.0, 1.0, 0.0, 0.0]])  # contrast alone
    batch = np.full((1, 2, 2, 3), 100, np.float32)
    batch[0, 0] = 140

    class Fixed(np.random.Generator):
        def uniform(self, *args: object) -> np.ndarray:  # type: ignore[override]
            return draws

    varied = colour.vary(batch, 1.0, Fixed(np.random.PCG64(0)))
    assert varied.mean() == pytest.approx(120, abs=0.1)
    assert varied.max() == pytest.approx(120 + 20 * np.exp(colour.FACTOR_AT_FULL), abs=0.1)


def test_hue_turns_colours_and_leaves_grey_and_brightness() -> None:
    quarter = np.array([np.pi / 2])
    matrix = colour._hue_and_saturation(quarter, np.ones(1))[0]
    np.testing.assert_allclose(matrix @ np.ones(3), np.ones(3), atol=2e-3)
    red = np.array([255.0, 0, 0])
    assert (matrix @ red) @ colour.GREY == pytest.approx(red @ colour.GREY, abs=0.5)
    assert np.abs(matrix @ red - red).max() > 50
    back = colour._hue_and_saturation(-quarter, np.ones(1))[0]
    np.testing.assert_allclose(back @ matrix, np.eye(3), atol=1e-6)
