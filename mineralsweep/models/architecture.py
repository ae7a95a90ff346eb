"""What every architecture states about itself, and the contract of its builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mineralsweep.core import recipe as recipes
from mineralsweep.core.hyperparameter import Hyperparameter, Value
from mineralsweep.core.recipe import ORIGINAL, Recipe
from mineralsweep.core.reference import parts
from mineralsweep.errors import ArchitectureError, did_you_mean

if TYPE_CHECKING:
    import keras

    from mineralsweep.models.trunk import Trunk

Kind = Literal["network", "estimator"]

OF_NETWORKS = (
    Hyperparameter(
        "learning_rate", "float", "the step size at the first step", low=1e-8, high=10.0, log=True
    ),
    Hyperparameter(
        "optimizer", "name", "how the weights are updated",
        choices=("adam", "adamw", "rmsprop", "sgd"),
    ),
    Hyperparameter("batch_size", "int", "images a step", low=1, high=4096, log=True),
    *recipes.HYPERPARAMETERS,
)  # fmt: skip
"""What every network has, and no estimator."""

LARGEST_SIDE = 2048
IMAGE_SIZE = Hyperparameter(
    "image_size", "int", "height and width of the images in pixels", low=1, high=LARGEST_SIDE
)
"""What every architecture has."""

AUGMENTATION = Hyperparameter(
    "augmentation", "float", "the strength of flips, turns and zooms; 1 is the original's",
    low=0.0, high=1.0,
)  # fmt: skip
BACKBONE = "backbone"
"""The name of the hyperparameter that names a pretrained network."""
HEADS = ("fitted", "random")
HEAD = Hyperparameter(
    "head", "name",
    "where the last layers start: a linear model fitted on the trunk's answers, or random weights",
    default="fitted", choices=HEADS,
)  # fmt: skip
DROPOUT = Hyperparameter(
    "dropout",
    "float",
    "the share of the last layer's inputs left out, in training",
    low=0.0,
    high=0.95,
)

Builder = Callable[..., Any]
"""`build(input_shape, num_classes, **hyperparameters) -> uncompiled keras.Model`.

The model takes uint8 or float (n, height, width, 3), RGB in [0, 255], and answers float
(n, num_classes), probabilities that add up to 1. Scaling is part of the model. The values have been
checked, are of their declared type, and are all there.
"""

EstimatorBuilder = Callable[..., Any]
"""`build(num_classes, **hyperparameters) -> unfitted scikit-learn classifier`.

The classifier takes the numbers of `descriptors`, float32 (n, d), and answers `predict_proba`,
float (n, num_classes). Nothing random in it is seeded yet.
"""


@dataclass(frozen=True)
class Architecture:
    """A named model: how to build it, and all its hyperparameters with their defaults.

    There are two kinds. A `network` takes pixels and trains epoch by epoch: it has a learning
    rate, an optimiser and a batch size. An `estimator` takes numbers computed from an image and
    is fitted once: it has `build_estimator`, and none of these.

    Attributes:
        name: what sweep files and flags call it.
        summary: a line for a reader.
        builder: of a network; None: there is none.
        build_estimator: of an estimator; None: there is none.
        own: the builder's hyperparameters. `hyperparameters` has those of its kind too.
        image_size: (height, width) in pixels, where neither a sweep nor a trial says otherwise.
        smallest: the least height and width that leave something for the last layer.
        optimizer: the default of every network's hyperparameter; an estimator has none.
        learning_rate: as `optimizer`.
        batch_size: as `optimizer`.
        recipe: how it is trained beside.
        decay: of the learning rate, a step: rate / (1 + decay * steps).
        epochs: of a single training, where nothing is said.
        split: as `epochs`: train/validation/test in per cent.
        backbone: of `models.backbones`, whose `weights` it takes; "": none.
        trunk: of a network that has one, which can be frozen.
        gains_from_bfloat16: trains faster in it where the machine has it.
        voters: names of the architectures that are trained, and answer together, in its stead.
        address: of a network of the user's own: `/path/my_nets.py:build` or `package.module:build`.
    """

    name: str
    summary: str = ""
    builder: Builder | None = None
    build_estimator: EstimatorBuilder | None = None
    own: tuple[Hyperparameter, ...] = ()
    image_size: tuple[int, int] = (128, 128)
    smallest: int = 32
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 32
    recipe: Recipe = ORIGINAL
    decay: float = 0.0
    epochs: int = 30
    split: str = "40/20/40"
    backbone: str = ""
    trunk: Trunk | None = None
    gains_from_bfloat16: bool = True
    voters: tuple[str, ...] = ()
    address: str = ""

    def __post_init__(self) -> None:
        names = [one.name for one in (*self._of_its_kind(), *self.own)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ArchitectureError(
                f"{self.name}: hyperparameter '{twice[0]}' is there already: once by itself, and"
                f" {', '.join(one.name for one in (*OF_NETWORKS, IMAGE_SIZE))} for every network;"
                " rename it"
            )

    @property
    def kind(self) -> Kind:
        return "estimator" if self.build_estimator else "network"

    @property
    def pretrained(self) -> bool:
        """Whether it takes `weights`: of its own backbone, or of the one that is searched."""
        return bool(self.backbone) or self.searches_backbone

    @property
    def searches_backbone(self) -> bool:
        """Whether its hyperparameter `backbone` names one of `models.backbones`."""
        return not self.address and any(one.name == BACKBONE for one in self.own)

    @property
    def reference(self) -> str:
        """The name that `models.get` finds it by in any process."""
        return self.address or self.name

    @property
    def source(self) -> Path | None:
        """The user's file, where the network is the user's own and lies in one."""
        place, _ = parts(self.address)
        return Path(place) if place.endswith(".py") else None

    @cached_property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        """All that a sweep may search of it, by name, with its own defaults."""
        return {one.name: one for one in (*self._of_its_kind(), *self.own)}

    def _of_its_kind(self) -> tuple[Hyperparameter, ...]:
        height, width = self.image_size
        size = IMAGE_SIZE.with_default(height if height == width else None)
        if self.kind == "estimator":
            return (size,)
        defaults = {
            "learning_rate": self.learning_rate,
            "optimizer": self.optimizer,
            "batch_size": self.batch_size,
            **{name: getattr(self.recipe, name) for name in recipes.SEARCHABLE},
        }
        return (*(one.with_default(defaults[one.name]) for one in OF_NETWORKS), size)

    def has(self, name: str) -> bool:
        """Say whether a trial of this model has such a hyperparameter."""
        return name in self.hyperparameters

    def defaults(self) -> dict[str, Value | None]:
        """Return what the builder gets where a trial says nothing, by name."""
        own = {one.name: one.default for one in self.own}
        return {**own, "weights": "imagenet"} if self.pretrained else own

    def default_learning_rate(self, hyperparameters: Mapping[str, Value | None]) -> float:
        """Return the default rate; a smaller one where part of a trunk is unfrozen."""
        if self.trunk is not None and self.trunk.unfrozen(hyperparameters):
            return self.trunk.learning_rate
        return self.learning_rate

    def build(
        self, input_shape: tuple[int, int, int], num_classes: int, **hyperparameters: Value | None
    ) -> keras.Model | Any:
        """Build it: a network uncompiled, an estimator unfitted; see the builders.

        Args:
            input_shape: (height, width, 3) in pixels.
            num_classes: at least 2.
            hyperparameters: some of `own`, and `weights`; the others keep their defaults.

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
        settings = self._checked(hyperparameters)
        if self.build_estimator is not None:
            return self.build_estimator(num_classes, **settings)
        assert self.builder is not None  # a network has one
        return self.builder(input_shape, num_classes, **settings)

    def _checked(self, hyperparameters: Mapping[str, Value | None]) -> dict[str, Value]:
        """Return the builder's settings: checked, of their declared types, defaults filled in."""
        self.check_hyperparameters(hyperparameters)
        given = {name: one for name, one in hyperparameters.items() if one is not None}
        settings = {name: one for name, one in self.defaults().items() if one is not None} | given
        for one in self.own:
            if one.name not in settings:
                continue
            try:
                one.check(settings[one.name])
            except ValueError as error:
                raise ArchitectureError(f"{self.name}: {one.name}: {error}") from None
            settings[one.name] = one.typed(settings[one.name])
        return settings

    def check_hyperparameters(self, names: Iterable[str]) -> None:
        """Raise ArchitectureError where a name is none of the builder's hyperparameters."""
        known = self.defaults()
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) if known else ""
                raise ArchitectureError(f"{self.name}: has no hyperparameter '{name}'{hint}")

    def check_image_size(self, size: tuple[int, int]) -> None:
        """Raise ArchitectureError where (height, width) is too small for this model."""
        if min(size) < self.smallest:
            raise ArchitectureError(
                f"{self.name}: needs images of at least {self.smallest} x {self.smallest} pixels,"
                f" got {size[0]} x {size[1]}; raise image_size"
            )


def image_input(input_shape: tuple[int, int, int], augmentation: float) -> tuple[Any, Any]:
    """Return a network's input, uint8 or float in [0, 255], and the same augmented in training."""
    import keras

    from mineralsweep.data import augment

    inputs = x = keras.Input(input_shape, name="image")
    for layer in augment.layers(augmentation):
        x = layer(x)
    return inputs, x


LAST = "probabilities"
"""The name of every network's last layer."""


def probabilities(num_classes: int) -> keras.layers.Layer:
    """Return the last layer of every network: a softmax, in float32 also under mixed precision."""
    from keras import layers

    return layers.Dense(num_classes, activation="softmax", dtype="float32", name=LAST)
