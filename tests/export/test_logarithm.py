"""The logarithm of covariances by products alone: as precise as that by eigenvalues in float32."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.descriptors import covariance
from mineralsweep.export.logarithm import SMALLEST, logarithm, steps

RIDGE = 1e-3


def covariances(side: int, smallest: float, seed: int = 0) -> np.ndarray:
    """Return covariances whose eigenvalues, with the ridge, go from `smallest` to 1."""
    rng = np.random.default_rng(seed)
    turned = np.linalg.qr(rng.normal(size=(6, 2, side, side)))[0]
    values = np.exp(rng.uniform(np.log(smallest), 0, (6, 2, side)))
    values[..., 0], values[..., -1] = smallest, 1.0
    return (turned * (values - RIDGE)[..., None, :]) @ turned.swapaxes(-1, -2)


def upper(matrices: np.ndarray) -> np.ndarray:
    """Return triangles as `covariance.logarithm` has them."""
    rows, columns = np.triu_indices(matrices.shape[-1])
    return matrices[..., rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0))


@pytest.mark.parametrize("side", [1, 4, 64])
@pytest.mark.parametrize(("smallest", "bound"), [(1e-1, 3e-5), (1e-3, 1e-4), (1e-5, 1e-2)])
def test_it_is_that_of_the_eigenvalues(side: int, smallest: float, bound: float) -> None:
    matrices = covariances(side, smallest)
    expected = covariance.logarithm(matrices + RIDGE * np.eye(side), RIDGE / 1e6)
    found = upper(np.asarray(logarithm(matrices.astype(np.float32), RIDGE)))
    np.testing.assert_allclose(found, expected, atol=bound)
    # float32 rounds the covariance itself; the way from there costs no more than that
    rounded = matrices.astype(np.float32).astype(np.float64) + RIDGE * np.eye(side)
    rounding = np.abs(covariance.logarithm(rounded, RIDGE / 1e6) - expected).max()
    assert np.abs(found - expected).max() < 20 * rounding + 1e-4


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e5])
def test_contrast_moves_the_diagonal_alone(scale: float) -> None:
    matrices = covariances(8, 1e-2).astype(np.float32) + np.float32(RIDGE) * np.eye(8, dtype="f")
    one = np.asarray(logarithm(matrices, 0.0))
    other = np.asarray(logarithm(matrices * np.float32(scale), 0.0))
    moved = np.log(scale) * np.eye(8)
    np.testing.assert_allclose(other - one, np.broadcast_to(moved, one.shape), atol=2e-4)


def test_a_flat_image_and_one_of_extreme_contrast_have_a_logarithm() -> None:
    flat = np.asarray(logarithm(np.zeros((1, 2, 8, 8), np.float32), RIDGE))
    np.testing.assert_allclose(flat[0, 0], np.log(RIDGE) * np.eye(8), atol=1e-4)
    row = np.linspace(1, 2, 64, dtype=np.float32)
    for contrast in (1e6, 1e9):  # of rank 1: all other eigenvalues are rounding
        found = np.asarray(logarithm(np.outer(row, row)[None] * np.float32(contrast), RIDGE))
        assert np.isfinite(found).all()
        assert np.linalg.eigvalsh(found)[0, -1] == pytest.approx(np.log(contrast * row @ row), 1e-3)


def test_steps_are_those_that_the_smallest_eigenvalue_takes() -> None:
    assert [steps(SMALLEST ** (0.5**taken)) for taken in range(5)] == [21, 13, 9, 6, 5]
