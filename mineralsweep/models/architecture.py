"""What every architecture states about itself, and the contract of its builder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mineralsweep.core.recipe import SEARCHABLE, STUDY, Recipe
from mineralsweep.errors import ArchitectureError, did_you_mean

if TYPE_CHECKING:
    import keras

    from mineralsweep.activations.prefix import Segmenter

Hyperparameter = float | int | str | None


Kind = Literal["network", "estimator"]
OF_NETWORKS = ("learning_rate", "optimizer", "batch_size", *SEARCHABLE)
"""Settings of every network, and of no estimator."""


class Builder(Protocol):
    """`build(input_shape, num_classes, **hyperparameters) -> uncompiled keras.Model`.

    The model takes uint8 or float (n, height, width, 3), RGB in [0, 255], and answers float
    (n, num_classes), probabilities that add up to 1. Scaling is part of the model.
    """

    def __call__(
        self, input_shape: tuple[int, int, int], num_classes: int, **hyperparameters: Hyperparameter
    ) -> keras.Model: ...


class EstimatorBuilder(Protocol):
    """`build(num_classes, **hyperparameters) -> unfitted scikit-learn classifier`.

    The classifier takes numbers that `texture` computed, float32 (n, d), and answers
    `predict_proba`, float (n, num_classes). Nothing random in it is seeded yet.
    """

    def __call__(self, num_classes: int, **hyperparameters: Hyperparameter) -> Any: ...


@dataclass(frozen=True)
class Architecture:
    """A named model: how to build it, and its default settings, the study's where it had some.

    There are two kinds. A `network` takes pixels and trains epoch by epoch: it has a learning
    rate, an optimiser and a batch size. An `estimator` takes numbers computed from an image and
    is fitted once: it has `build_estimator`, and none of these.

    Attributes:
        hyperparameters: the builder's own, with their defaults; a sweep asks for no others.
        image_size: the study's (height, width) in pixels.
        smallest: the least height and width that leave something for the last layer.
        decay: of the learning rate, a step: rate / (1 + decay * steps).
        pretrained: takes `weights`: "imagenet", the path of a weights file, or "none".
        fine_tuning_rate: the default learning rate once part of the trunk is unfrozen.
        segment: for a network with a trunk that can be frozen, None for the others.
        trunk_layers: that can be frozen, 0 without a trunk.
        gains_from_bfloat16: trains faster in it where the machine has it.
        recipe: how it is trained where a sweep does not say otherwise.
        voters: names of the architectures that are trained, and answer together, in its stead.
    """

    name: str
    image_size: tuple[int, int]
    smallest: int
    split: str
    summary: str
    builder: Builder | None = None
    build_estimator: EstimatorBuilder | None = None
    optimizer: str = ""
    learning_rate: float = 0.0
    batch_size: int = 1
    epochs: int = 1
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    decay: float = 0.0
    pretrained: bool = False
    fine_tuning_rate: float | None = None
    segment: Segmenter | None = None
    trunk_layers: int = 0
    gains_from_bfloat16: bool = True
    recipe: Recipe = STUDY
    voters: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return "estimator" if self.build_estimator else "network"

    def build(
        self, input_shape: tuple[int, int, int], num_classes: int, **hyperparameters: Hyperparameter
    ) -> keras.Model | Any:
        """Build it: a network uncompiled, an estimator unfitted; see the builders.

        Args:
            input_shape: (height, width, 3) in pixels.
            num_classes: at least 2.
            hyperparameters: some of `self.hyperparameters`; the others keep their defaults.

        Raises:
            ArchitectureError: the images are too small, or a hyperparameter is unknown or
                out of its range.
            WeightsUnavailable: pretrained weights were asked for and can't be had.
        """
        self.check_image_size(input_shape[:2])
        if input_shape[2] != 3:
            raise ArchitectureError(f"{self.name}: needs 3 channels (RGB), got {input_shape[2]}")
        if num_classes < 2:
            raise ArchitectureError(f"{self.name}: needs at least 2 classes, got {num_classes}")
        self.check_hyperparameters(hyperparameters)
        settings = {**self.hyperparameters, **hyperparameters}
        if self.build_estimator is not None:
            return self.build_estimator(num_classes, **settings)
        assert self.builder is not None  # a network has one
        return self.builder(input_shape, num_classes, **settings)

    def has(self, name: str) -> bool:
        """Say whether a trial of this model has such a setting: of its kind, or of its own."""
        return name in self.hyperparameters or (self.kind == "network" and name in OF_NETWORKS)

    def check_hyperparameters(self, names: Iterable[str]) -> None:
        """Raise ArchitectureError where a name is none of this model's hyperparameters."""
        for name in names:
            if name not in self.hyperparameters:
                hint = did_you_mean(name, self.hyperparameters) if self.hyperparameters else ""
                raise ArchitectureError(f"{self.name}: has no hyperparameter '{name}'{hint}")

    def check_image_size(self, size: tuple[int, int]) -> None:
        """Raise ArchitectureError where (height, width) is too small for this model."""
        if min(size) < self.smallest:
            raise ArchitectureError(
                f"{self.name}: needs images of at least {self.smallest} x {self.smallest} pixels,"
                f" got {size[0]} x {size[1]}; raise image_size"
            )

    def default_learning_rate(self, unfrozen: int = 0) -> float:
        """Return the study's rate; a smaller one where part of a trunk is unfrozen."""
        if unfrozen and self.fine_tuning_rate is not None:
            return self.fine_tuning_rate
        return self.learning_rate


def number(name: str, value: Hyperparameter, low: float, high: float) -> float:
    """Return `value` as a float in [low, high].

    Raises:
        ArchitectureError: it is no number, or outside.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ArchitectureError(f"{name}: must be a number from {low} to {high}, got {value!r}")
    return float(value)


def probabilities(num_classes: int) -> keras.layers.Layer:
    """Return the last layer of every network: a softmax, in float32 also under mixed precision."""
    from keras import layers

    return layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")
