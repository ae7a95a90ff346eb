"""Permutation importance of groups of numbers, on a model whose reasons are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mineralsweep import descriptors
from mineralsweep.report.feature_groups import drops


def test_the_group_that_decides_is_the_one_that_is_missed() -> None:
    random = np.random.default_rng(0)
    labels = [0, 1] * 20
    numbers = random.random((40, descriptors.count("whole_and_grid"))).astype(np.float32)
    column = 232 + 198  # the first one of the grid
    numbers[:, column] = labels

    def answer(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([1 - numbers[:, column], numbers[:, column]], axis=1)

    found = drops(answer, numbers, labels, "whole_and_grid")
    assert found[0].group == "grid"
    assert 0.3 < found[0].mean < 0.7
    assert found[0].spread > 0
    assert all((drop.mean, drop.spread) == (0, 0) for drop in found[1:])
    assert {drop.group for drop in found} == set(descriptors.SETS["whole_and_grid"])
    assert drops(answer, numbers, labels, "whole_and_grid") == found
