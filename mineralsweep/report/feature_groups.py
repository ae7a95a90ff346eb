"""Which groups of numbers a model of colour and texture leans on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep import descriptors

REPEATS = 20

Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Numbers of n images, float32 (n, columns) -> probabilities, float32 (n, classes)."""


@dataclass(frozen=True)
class Drop:
    """What a model loses without one group of numbers.

    `mean` and `spread` (standard deviation) are of the accuracy lost, over the shufflings.
    """

    group: str
    mean: float
    spread: float


def drops(
    answer: Answer, numbers: NDArray[np.float32], labels: Sequence[int], used: str, seed: int = 0
) -> list[Drop]:
    """Return the accuracy lost when a group's numbers change places among the images.

    Permutation importance (Breiman 2001, Machine Learning 45:5), a whole group at a time. Groups
    that tell the same are each worth little: the other one stands in.

    Args:
        answer: of the model.
        numbers: of the images, float32 (n, columns of `used`).
        labels: n positions of classes.
        used: the set of groups that the model was fitted on, one of `descriptors.SETS`.
        seed: of the shufflings.
    """
    truth = np.asarray(labels)
    whole = float((answer(numbers).argmax(axis=1) == truth).mean())
    random = np.random.default_rng(seed)
    found = []
    for block in descriptors.blocks(used):
        columns = descriptors.columns(block.name, used)
        lost = []
        for _ in range(REPEATS):
            shuffled = numbers.copy()
            shuffled[:, columns] = numbers[random.permutation(len(numbers)), columns]
            lost.append(whole - float((answer(shuffled).argmax(axis=1) == truth).mean()))
        found.append(Drop(block.name, float(np.mean(lost)), float(np.std(lost))))
    return sorted(found, key=lambda drop: -drop.mean)
