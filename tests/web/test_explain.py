"""The heat lies where the model looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels
from mineralsweep.serving.served import Served
from mineralsweep.web.explain import GRID, heat


class OfACorner:
    """Says how bright the lower right corner is, and sees nothing else."""

    classes = ("dark", "bright")
    image_size = (70, 70)

    def predict(self, images: Pixels) -> NDArray[np.float32]:
        bright = images[:, 60:, 60:].mean(axis=(1, 2, 3)) / 256
        return np.stack([1 - bright, bright], axis=1).astype(np.float32)


def test_only_the_place_that_the_answer_depends_on_is_hot() -> None:
    image = np.zeros((70, 70, 3), np.uint8)
    image[60:, 60:] = 255
    found = heat(Served(OfACorner()), image)
    assert found[-1, -1] == 1.0
    assert found.sum() == 1.0
    assert found.shape == (GRID, GRID)


def test_an_answer_that_depends_on_no_place_is_cold() -> None:
    assert not heat(Served(OfACorner()), np.zeros((70, 70, 3), np.uint8)).any()
