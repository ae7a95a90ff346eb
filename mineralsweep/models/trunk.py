"""The pretrained part of a network, whose first layers can stay frozen while the others train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from mineralsweep.activations.prefix import Segmenter
    from mineralsweep.core.hyperparameter import Value

Hyperparameters = Mapping[str, "Value | None"]
NAME = "trunk"
"""Of the layer of a network that is its trunk: a model of its own."""
PRINCIPAL, STANDARDIZED, HIDDEN = "principal", "standardized", "hidden"
"""Layers of a head that `training.head` can start from data: a projection to principal channels,
what standardises numbers, and a linear layer before the last one."""


@dataclass(frozen=True)
class Trunk:
    """What training has to know of a network's trunk.

    Attributes:
        depth: the hyperparameter that says how many of its parts train, from the top.
        parts: how many there are, by the other hyperparameters; a layer or a stage each.
        segment: cuts the network.
        learning_rate: the default once a part is unfrozen.
        factors: of the learning rate, by the id of a variable; None: one rate for all.
    """

    depth: str
    parts: Callable[[Hyperparameters], int]
    segment: Segmenter
    learning_rate: float
    factors: Callable[[keras.Model, Hyperparameters], Mapping[int, float]] | None = None

    def unfrozen(self, hyperparameters: Hyperparameters) -> int:
        """Return how many parts train: all, where more are asked for."""
        return min(int(hyperparameters.get(self.depth) or 0), self.parts(hyperparameters))

    def frozen(self, hyperparameters: Hyperparameters) -> int:
        """Return how many parts stay as they are."""
        return self.parts(hyperparameters) - self.unfrozen(hyperparameters)
