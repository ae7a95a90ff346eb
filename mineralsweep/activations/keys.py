"""What tells kept arrays apart: the weights that computed them, and the images that they are of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

LENGTH = 16


def of_weights(network: keras.Model) -> str:
    """Return a digest of all weights of a network."""
    found = hashlib.sha256()
    for weight in network.get_weights():
        found.update(np.ascontiguousarray(weight).tobytes())
    return found.hexdigest()[:LENGTH]


def of_rows(rows: Sequence[int]) -> str:
    """Return a digest of the rows of a file of images, in their order."""
    return hashlib.sha256(repr(tuple(rows)).encode()).hexdigest()[:LENGTH]
