"""Pooled activations: their moments, and the logarithm of their covariance."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from scipy.linalg import logm

from mineralsweep.activations.pooling import (
    RIDGE,
    LogCovariance,
    mean_and_deviation,
    moments,
    moments_are_smaller,
)


def activations(images: int, channels: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(images, channels, channels)) + 2 * np.eye(channels)
    return np.einsum("nhwc,ncd->nhwd", random.normal(size=(images, 12, 9, channels)), mixed)


def test_means_and_deviations_are_numpys_own() -> None:
    first = activations(3, 5)
    flat = first.reshape(3, -1, 5)
    expected = np.concatenate([flat.mean(axis=1), flat.std(axis=1)], axis=1)
    np.testing.assert_allclose(mean_and_deviation([first]), expected, rtol=1e-4, atol=1e-5)
    both = mean_and_deviation([first, 3 * first])
    np.testing.assert_allclose(both, 2 * expected, rtol=1e-4, atol=1e-5)


def test_a_mirror_image_adds_nothing_and_another_view_does() -> None:
    first = activations(3, 5)
    fitted = LogCovariance.fit([first], 5)
    alone = fitted.numbers([first])
    np.testing.assert_allclose(fitted.numbers([first, first[:, :, ::-1]]), alone, rtol=1e-4)
    assert np.abs(fitted.numbers([first, activations(3, 5, seed=1)]) - alone).max() > 0.05


def test_an_image_s_numbers_don_t_depend_on_the_others() -> None:
    images = activations(6, 5)
    fitted = LogCovariance.fit([images[:4]], 5)
    np.testing.assert_array_equal(fitted.numbers([images])[5], fitted.numbers([images[5:]])[0])


def test_the_logarithm_is_scipys_and_keeps_distances() -> None:
    images = activations(2, 4)
    fitted = LogCovariance.fit([images], 4)
    numbers = fitted.numbers([images])
    matrices = []
    for image in images:
        turned = image.reshape(-1, 4) @ fitted.directions.astype(float)
        middle = image[3:9, 2:7].reshape(-1, 4) @ fitted.directions.astype(float)
        matrices.append([
            logm(np.cov(positions.T, bias=True) + fitted.ridge * np.eye(4))
            for positions in (turned, middle)
        ])  # fmt: skip
    expected = np.linalg.norm(np.subtract(*matrices))
    assert np.linalg.norm(numbers[0] - numbers[1]) == pytest.approx(expected, rel=1e-4)


def test_principal_channels_are_those_with_the_most_variance() -> None:
    random = np.random.default_rng(0)
    images = random.normal(size=(3, 40, 40, 4)) * np.sqrt([1.0, 9.0, 4.0, 0.1])
    fitted = LogCovariance.fit([images], 2)
    np.testing.assert_allclose(np.abs(fitted.directions), np.eye(4)[:, [1, 2]], atol=0.05)
    assert fitted.ridge == pytest.approx(RIDGE * 6.5, rel=0.05)
    assert fitted.numbers([images]).shape == (3, fitted.columns) == (3, 2 * 3)


def test_what_is_kept_in_bfloat16_has_nearly_the_same_numbers() -> None:
    images = activations(4, 6)
    fitted = LogCovariance.fit([images], 6)
    kept = fitted.numbers([images.astype(ml_dtypes.bfloat16)])
    np.testing.assert_allclose(kept, fitted.numbers([images]), atol=0.02)


def test_flat_activations_have_numbers_too() -> None:
    flat = np.ones((2, 4, 4, 3))
    assert np.isfinite(LogCovariance.fit([flat], 3).numbers([flat])).all()


def test_moments_say_all_that_is_pooled() -> None:
    random = np.random.default_rng(0)
    views = [random.normal(size=(5, 6, 7, 4)).astype(np.float32) for _ in range(2)]
    kept = [np.asarray(moments(view)) for view in views]
    np.testing.assert_allclose(mean_and_deviation(kept), mean_and_deviation(views), rtol=1e-4)
    for channels in (4, 2):
        plain, pooled = (LogCovariance.fit(one, channels) for one in (views, kept))
        assert pooled.ridge == pytest.approx(plain.ridge, rel=1e-4)
        np.testing.assert_allclose(plain.numbers(views), plain.numbers(kept), rtol=1e-3, atol=1e-4)


def test_moments_are_kept_where_they_are_fewer_bytes() -> None:
    assert moments_are_smaller((32, 32, 64))
    assert not moments_are_smaller((16, 16, 512))
