"""Random crops: inside the image, as large as the strength allows, mirrored every other time."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.training import crop

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def ramp(count: int, height: int = 21, width: int = 33) -> np.ndarray:
    """Return images whose channels are their own column and row numbers."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([across, down, across * 0], axis=-1)[None].repeat(count, axis=0)


def test_strength_zero_changes_nothing() -> None:
    batch = ramp(2)
    assert crop.vary(batch, 0.0, np.random.default_rng(0)) is batch


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_a_crop_is_a_straight_part_of_the_image(strength: float) -> None:
    batch = ramp(300)
    varied = crop.vary(batch, strength, np.random.default_rng(1))
    across, down = varied[..., 0], varied[..., 1]
    assert across.min() >= -1e-3
    assert across.max() <= 32 + 1e-3
    assert down.max() <= 20 + 1e-3
    np.testing.assert_allclose(across.std(axis=1), 0, atol=1e-3)  # columns stay upright
    wide = np.abs(across[:, 0, -1] - across[:, 0, 0]) / 32
    high = (down[:, -1, 0] - down[:, 0, 0]) / 20  # never upside down
    assert (wide * high).min() >= 1 - crop.AREA_AT_FULL * strength - 0.01
    assert (wide * high).min() < 1 - crop.AREA_AT_FULL * strength * 0.8
    ratio = np.exp(np.abs(np.log(wide / high)))
    assert ratio.max() <= crop.RATIO_AT_FULL**strength + 1e-2


def test_every_other_image_is_mirrored() -> None:
    varied = crop.vary(ramp(600), 0.5, np.random.default_rng(1))[..., 0]
    assert (varied[:, 0, -1] < varied[:, 0, 0]).mean() == pytest.approx(0.5, abs=0.07)
