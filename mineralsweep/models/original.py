"""The original study's five variants, and what it reported of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mineralsweep.core.hyperparameter import Value
from mineralsweep.models import get
from mineralsweep.models.architecture import Architecture


@dataclass(frozen=True)
class Variant:
    """A network of the original, trained as it was there.

    Its split, image size, batch size and epochs are the architecture's own; its optimiser and
    learning rate too, where `params` does not say otherwise. The original's labels were one-hot
    for model 1 (categorical cross-entropy) and whole numbers for the others (sparse categorical):
    the same number, so that one loss serves all here.

    Attributes:
        params: hyperparameters that are not the architecture's defaults.
        right, n: images of its one test split that the original classified well, of how many. They
            follow from the accuracies that it printed: with four digits, 33 of 40 gives 0.8250, and
            148 is the smallest n that gives the other four.
        loss: that the original reported on the same images, in nats.
        note: what the original said beside it.
    """

    name: str
    title: str
    architecture: str
    right: int
    n: int
    loss: float
    params: Mapping[str, Value] = field(default_factory=dict)
    note: str = ""

    @property
    def network(self) -> Architecture:
        return get(self.architecture)


_AS_IT_WAS: Mapping[str, Value] = {"head": "random", "optimizer": "rmsprop"}
"""Of VGG16, whose defaults are others: with these its loss was 32 (docs/original.md)."""

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            "model1", "model 1", "model1", 33, 40, 0.5409,
            note="its own 5-fold cross-validation gave 0.68",
        ),
        Variant("model2", "model 2", "model2", 123, 148, 0.3997),
        Variant("model2_1", "model 2.1", "model2_1", 132, 148, 0.3156),
        Variant(
            "vgg16", "VGG16, frozen", "vgg16", 125, 148, 32.5925,
            {"unfrozen": 0, "learning_rate": 1e-3, **_AS_IT_WAS},
        ),
        Variant(
            "vgg16_fine_tuned", "VGG16, fine-tuned", "vgg16", 134, 148, 0.5826,
            {"unfrozen": 4, "learning_rate": 1e-5, **_AS_IT_WAS},
        ),
    )
}  # fmt: skip
