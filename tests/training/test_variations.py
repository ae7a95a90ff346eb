"""What a recipe varies: bounded, drawn an image, and nothing at strength 0."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.training import variations

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def images(count: int = 200) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 5, 3)).astype(np.float32)


def test_strength_zero_changes_nothing() -> None:
    batch = images(3)
    assert variations.colours(batch, 0.0, np.random.default_rng(1)) is batch
    assert variations.crops(batch, 0.0, np.random.default_rng(1)) is batch


def test_pixels_stay_in_their_range_and_each_image_has_its_own_draw() -> None:
    batch = np.repeat(images(1), 50, axis=0)
    varied = variations.colours(batch, 1.0, np.random.default_rng(1))
    assert varied.shape == batch.shape
    assert varied.dtype == np.float32
    assert varied.min() >= 0
    assert varied.max() <= 255
    assert len(np.unique(varied.mean(axis=(1, 2, 3)))) == 50


def test_brightness_stays_within_its_factor() -> None:
    """A grey image has no contrast, saturation or hue: brightness alone shows."""
    grey = np.full((500, 4, 4, 3), 100, np.float32)
    factors = variations.colours(grey, 0.5, np.random.default_rng(2)) / 100
    limit = np.exp(0.5 * variations.FACTOR_AT_FULL)
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

    varied = variations.colours(batch, 1.0, Fixed(np.random.PCG64(0)))
    assert varied.mean() == pytest.approx(120, abs=0.1)
    assert varied.max() == pytest.approx(120 + 20 * np.exp(variations.FACTOR_AT_FULL), abs=0.1)


def test_hue_turns_colours_and_leaves_grey_and_brightness() -> None:
    quarter = np.array([np.pi / 2])
    matrix = variations._hue_and_saturation(quarter, np.ones(1))[0]
    np.testing.assert_allclose(matrix @ np.ones(3), np.ones(3), atol=2e-3)
    red = np.array([255.0, 0, 0])
    assert (matrix @ red) @ variations.GREY == pytest.approx(red @ variations.GREY, abs=0.5)
    assert np.abs(matrix @ red - red).max() > 50
    back = variations._hue_and_saturation(-quarter, np.ones(1))[0]
    np.testing.assert_allclose(back @ matrix, np.eye(3), atol=1e-6)


def ramp(count: int, height: int = 21, width: int = 33) -> np.ndarray:
    """Return images whose channels are their own column and row numbers."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([across, down, across * 0], axis=-1)[None].repeat(count, axis=0)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_a_crop_is_a_straight_part_of_the_image(strength: float) -> None:
    batch = ramp(300)
    varied = variations.crops(batch, strength, np.random.default_rng(1))
    across, down = varied[..., 0], varied[..., 1]
    assert across.min() >= -1e-3
    assert across.max() <= 32 + 1e-3
    assert down.max() <= 20 + 1e-3
    np.testing.assert_allclose(across.std(axis=1), 0, atol=1e-3)  # columns stay upright
    wide = np.abs(across[:, 0, -1] - across[:, 0, 0]) / 32
    high = (down[:, -1, 0] - down[:, 0, 0]) / 20  # never upside down
    assert (wide * high).min() >= 1 - variations.AREA_AT_FULL * strength - 0.01
    assert (wide * high).min() < 1 - variations.AREA_AT_FULL * strength * 0.8
    ratio = np.exp(np.abs(np.log(wide / high)))
    assert ratio.max() <= variations.RATIO_AT_FULL**strength + 1e-2


def test_every_other_image_is_mirrored() -> None:
    varied = variations.crops(ramp(600), 0.5, np.random.default_rng(1))[..., 0]
    assert (varied[:, 0, -1] < varied[:, 0, 0]).mean() == pytest.approx(0.5, abs=0.07)


def labelled(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return images that are their own label: channel c is 1 for class c."""
    labels = np.eye(3, dtype=np.float32)[np.random.default_rng(0).integers(0, 3, count)]
    return np.broadcast_to(labels[:, None, None, :], (count, 2, 2, 3)).copy(), labels


def test_alpha_zero_changes_nothing() -> None:
    images, labels = labelled()
    assert variations.mix(images, labels, 0.0, np.random.default_rng(1)) == (images, labels)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_labels_are_mixed_as_the_images_are(alpha: float) -> None:
    images, labels = labelled()
    mixed, shares = variations.mix(images, labels, alpha, np.random.default_rng(1))
    np.testing.assert_allclose(mixed[:, 0, 0], shares, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1).sum(), labels.sum(), rtol=1e-6)
    assert (shares.argmax(axis=1) == labels.argmax(axis=1)).mean() > 0.95  # the larger share stays
    assert ((shares > 0) & (shares < 1)).any()


def test_a_larger_alpha_mixes_more() -> None:
    images, labels = labelled(2000)
    little, much = (
        1 - variations.mix(images, labels, alpha, np.random.default_rng(1))[1].max(axis=1).mean()
        for alpha in (0.1, 2.0)
    )
    assert little < much / 2
