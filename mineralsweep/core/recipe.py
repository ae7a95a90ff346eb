"""How a network is trained beside its optimizer, rate and batch: options, all off by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from mineralsweep.core.hyperparameter import Hyperparameter

Schedule = Literal["constant", "cosine"]
Flips = Literal["none", "horizontal", "all"]
"""The mirror images that are answered together with an image."""

AXES: dict[Flips, tuple[tuple[int, ...], ...]] = {
    "none": ((),),
    "horizontal": ((), (2,)),
    "all": ((), (2,), (1,), (1, 2)),
}
"""The axes of (n, height, width, 3) that each view of a setting is mirrored along."""

HYPERPARAMETERS = (
    Hyperparameter(
        "weight_decay", "float", "the share of the weights taken off a step, times the rate",
        low=0.0, high=1.0,
    ),
    Hyperparameter(
        "label_smoothing", "float", "the share of a label that is spread over all classes",
        low=0.0, high=0.9,
    ),
    Hyperparameter(
        "mixup", "float", "mixes images in pairs, by Beta(mixup, mixup); 0: off",
        low=0.0, high=10.0,
    ),
    Hyperparameter(
        "colour", "float", "how much brightness, contrast, saturation and hue vary",
        low=0.0, high=1.0,
    ),
    Hyperparameter(
        "crop", "float", "how small a random crop may be; above 0 also mirrors left to right",
        low=0.0, high=1.0,
    ),
)  # fmt: skip
"""The options that a sweep may search; every network has them."""
SEARCHABLE = tuple(one.name for one in HYPERPARAMETERS)
FIXED = ("schedule", "warmup", "balance", "average_weights", "flips")
"""The other options, fixed for a whole sweep."""


@dataclass(frozen=True)
class Recipe:
    """The defaults train as the original study did.

    Attributes:
        schedule: of the learning rate: constant, or half a cosine down to zero at the last epoch
            (Loshchilov & Hutter, arXiv:1608.03983).
        warmup: the first epochs, in which the rate rises from zero (Goyal et al.,
            arXiv:1706.02677); for the cosine alone.
        weight_decay: decoupled from the gradient (Loshchilov & Hutter, arXiv:1711.05101), of
            kernels alone; None: the optimizer's own, which is 0.004 for AdamW and 0 for others.
        label_smoothing: in [0, 1); the share of a label that is spread over all classes (Szegedy
            et al., arXiv:1512.00567).
        mixup: alpha of Beta(alpha, alpha), from which the share of one image in a mixture of two
            is drawn; 0: off (Zhang et al., arXiv:1710.09412).
        colour: in [0, 1]; how much brightness, contrast, saturation and hue vary.
        crop: in [0, 1]; how much a random part of the image is stretched to the whole (Szegedy
            et al., arXiv:1409.4842). Above 0, every other image is also mirrored left to right.
        balance: in [0, 1]; 1 weighs each class alike, 0 each image.
        average_weights: in [0, 1); the momentum of a moving average of the weights, a step; the
            averaged weights are validated, kept and saved (Polyak & Juditsky, 1992). 0: off.
        flips: views of an image whose probabilities are averaged when the network answers: itself
            alone, with its mirror image (horizontal), or with those of both axes (all).
    """

    schedule: Schedule = "constant"
    warmup: int = 0
    weight_decay: float | None = None
    label_smoothing: float = 0.0
    mixup: float = 0.0
    colour: float = 0.0
    crop: float = 0.0
    balance: float = 0.0
    average_weights: float = 0.0
    flips: Flips = "none"

    def with_changes(self, changes: Mapping[str, object]) -> Recipe:
        """Return this recipe with the options of `changes` that are not None."""
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self, **given)  # type: ignore[arg-type]

    def draws_batches(self) -> bool:
        """Say whether an option acts on the images or labels of a batch."""
        return any((self.label_smoothing, self.mixup, self.colour, self.crop, self.balance))

    def needs_pixels(self) -> bool:
        """Say whether the kept answers of a frozen trunk are not enough to train on."""
        return any((self.mixup, self.colour, self.crop))

    def differing(self) -> dict[str, float | int | str]:
        """Return the options that are not the original's, by name."""
        return {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) != one.default and value is not None
        }


ORIGINAL = Recipe()
"""As the original trained: every option off."""
