"""Mixup: images and labels of a batch, mixed two by two (Zhang et al., arXiv:1710.09412)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def mix(
    images: Floats, labels: Floats, alpha: float, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Mix each image, and its label, with another one of the batch.

    Args:
        images: float32 (n, height, width, 3).
        labels: float32 (n, classes); a row adds up to the image's weight.
        alpha: of Beta(alpha, alpha), which the share of the other image is drawn from, folded to
            at most a half; 0 returns both as they are.
        random: where the draws come from.
    """
    if alpha == 0:
        return images, labels
    count = len(images)
    share = random.beta(alpha, alpha, count).astype(np.float32)
    share = np.minimum(share, 1 - share)
    other = random.permutation(count)
    of_images = share[:, None, None, None]
    mixed = images + of_images * (images[other] - images)
    return mixed, labels + share[:, None] * (labels[other] - labels)
