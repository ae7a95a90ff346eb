"""Pooled activations: their moments, and the logarithm of their covariance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import logm

from mineralsweep.activations.pooling import RIDGE, LogCovariance, Moments


def activations(images: int, channels: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(images, channels, channels)) + 2 * np.eye(channels)
    return np.einsum("nhwc,ncd->nhwd", random.normal(size=(images, 12, 9, channels)), mixed)


def test_moments_are_numpys_own() -> None:
    first = activations(3, 5)
    moments = Moments.of([first])
    flat = first.reshape(3, -1, 5)
    np.testing.assert_allclose(moments.mean, flat.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(moments.deviation, flat.std(axis=1), rtol=1e-4)
    for image, found in zip(flat, moments.covariance, strict=True):
        np.testing.assert_allclose(found, np.cov(image.T, bias=True), rtol=1e-3, atol=1e-4)


def test_views_are_averaged_and_a_mirror_image_adds_nothing() -> None:
    first = activations(3, 5)
    alone, mirrored = Moments.of([first]), Moments.of([first, first[:, :, ::-1]])
    np.testing.assert_allclose(alone.covariance, mirrored.covariance, rtol=1e-4, atol=1e-5)
    other = Moments.of([first, activations(3, 5, seed=1)])
    assert np.abs(other.mean - alone.mean).max() > 0.05


def test_an_image_s_numbers_don_t_depend_on_the_others() -> None:
    moments = Moments.of([activations(6, 5)])
    fitted = LogCovariance.fit(moments.covariance[:4], 5)
    together = fitted.numbers(moments.covariance)
    alone = fitted.numbers(moments.rows([5]).covariance)
    np.testing.assert_allclose(together[5], alone[0])


def test_the_logarithm_is_scipys_and_keeps_distances() -> None:
    covariances = Moments.of([activations(2, 4)]).covariance
    fitted = LogCovariance.fit(covariances, 4)
    assert fitted.directions.shape == (4, 4)
    numbers = fitted.numbers(covariances)
    matrices = [
        logm(fitted.directions.T @ one @ fitted.directions + fitted.ridge * np.eye(4))
        for one in covariances
    ]
    expected = np.linalg.norm(matrices[0] - matrices[1])
    assert np.linalg.norm(numbers[0] - numbers[1]) == pytest.approx(expected)


def test_principal_channels_are_those_with_the_most_variance() -> None:
    covariances = np.stack([np.diag([1.0, 9.0, 4.0, 0.1])] * 3)
    fitted = LogCovariance.fit(covariances, 2)
    np.testing.assert_allclose(np.abs(fitted.directions), np.eye(4)[:, [1, 2]])
    assert fitted.ridge == pytest.approx(RIDGE * 6.5)
    assert fitted.numbers(covariances).shape == (3, 3)


def test_flat_activations_have_numbers_too() -> None:
    flat = Moments.of([np.ones((2, 4, 4, 3))])
    numbers = LogCovariance.fit(flat.covariance, 3).numbers(flat.covariance)
    assert np.isfinite(numbers).all()
