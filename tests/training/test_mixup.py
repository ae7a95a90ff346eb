"""Mixup keeps the labels' mass, and mixes labels as it mixes images."""

from __future__ import annotations

import numpy as np
import pytest

from mineralsweep.training.mixup import mix


def batch(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return images that are their own label: channel c is 1 for class c."""
    labels = np.eye(3, dtype=np.float32)[np.random.default_rng(0).integers(0, 3, count)]
    return np.broadcast_to(labels[:, None, None, :], (count, 2, 2, 3)).copy(), labels


def test_alpha_zero_changes_nothing() -> None:
    images, labels = batch()
    assert mix(images, labels, 0.0, np.random.default_rng(1)) == (images, labels)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_labels_are_mixed_as_the_images_are(alpha: float) -> None:
    images, labels = batch()
    mixed, shares = mix(images, labels, alpha, np.random.default_rng(1))
    np.testing.assert_allclose(mixed[:, 0, 0], shares, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1).sum(), labels.sum(), rtol=1e-6)
    assert (shares.argmax(axis=1) == labels.argmax(axis=1)).mean() > 0.95  # the larger share stays
    assert ((shares > 0) & (shares < 1)).any()


def test_a_larger_alpha_mixes_more() -> None:
    images, labels = batch(2000)
    little, much = (
        1 - mix(images, labels, alpha, np.random.default_rng(1))[1].max(axis=1).mean()
        for alpha in (0.1, 2.0)
    )
    assert little < much / 2
