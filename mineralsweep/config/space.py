"""The search space: which hyperparameters, and the rules that each one keeps."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from pydantic import model_validator

from mineralsweep.config.entries import Choices, Entry, Range, SpaceEntry, Strict
from mineralsweep.config.rules import Misplaced
from mineralsweep.core.hyperparameter import number_hint
from mineralsweep.descriptors import SETS
from mineralsweep.errors import did_you_mean
from mineralsweep.models import ARCHITECTURES, get
from mineralsweep.models.colour_texture import (
    ESTIMATORS,
    LARGEST_PENALTY,
    MOST_TREES,
    SMALLEST_PENALTY,
)
from mineralsweep.models.compact import DEEPEST, WIDEST
from mineralsweep.models.vgg16 import TRUNK_LAYERS

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")


class Space(Strict):
    """The hyperparameters to search.

    A hyperparameter is asked for only when the chosen architecture has it: `unfrozen` for
    vgg16 alone. What is left out keeps the architecture's own default.
    """

    architecture: SpaceEntry
    learning_rate: SpaceEntry | None = None
    dropout: SpaceEntry | None = None
    augmentation: SpaceEntry | None = None
    unfrozen: SpaceEntry | None = None
    optimizer: SpaceEntry | None = None
    batch_size: SpaceEntry | None = None
    width: SpaceEntry | None = None
    depth: SpaceEntry | None = None
    weight_decay: SpaceEntry | None = None
    label_smoothing: SpaceEntry | None = None
    mixup: SpaceEntry | None = None
    colour: SpaceEntry | None = None
    crop: SpaceEntry | None = None
    estimator: SpaceEntry | None = None
    trees: SpaceEntry | None = None
    penalty: SpaceEntry | None = None
    features: SpaceEntry | None = None

    @model_validator(mode="after")
    def _within_the_rules(self) -> Self:
        _check_names("architecture", self.architecture, ARCHITECTURES)
        _check_names("optimizer", self.optimizer, OPTIMIZERS)
        _check_numbers("learning_rate", self.learning_rate, 1e-8, 10.0)
        _check_numbers("dropout", self.dropout, 0.0, 0.95)
        _check_numbers("augmentation", self.augmentation, 0.0, 1.0)
        _check_numbers("unfrozen", self.unfrozen, 0, TRUNK_LAYERS, whole=True)
        _check_numbers("batch_size", self.batch_size, 1, 4096, whole=True)
        _check_numbers("width", self.width, 4, WIDEST, whole=True)
        _check_numbers("depth", self.depth, 1, DEEPEST, whole=True)
        _check_numbers("weight_decay", self.weight_decay, 0.0, 1.0)
        _check_numbers("label_smoothing", self.label_smoothing, 0.0, 0.9)
        _check_numbers("mixup", self.mixup, 0.0, 10.0)
        _check_numbers("colour", self.colour, 0.0, 1.0)
        _check_numbers("crop", self.crop, 0.0, 1.0)
        _check_names("estimator", self.estimator, ESTIMATORS)
        _check_numbers("trees", self.trees, 1, MOST_TREES, whole=True)
        _check_numbers("penalty", self.penalty, SMALLEST_PENALTY, LARGEST_PENALTY)
        _check_names("features", self.features, SETS)
        self._check_somebody_has()
        return self

    def _check_somebody_has(self) -> None:
        """An entry that no listed architecture has would be ignored in silence."""
        for name in self.entries():
            if name != "architecture" and not any(
                get(one).has(name) for one in self.architectures()
            ):
                known = [one for one in ARCHITECTURES if get(one).has(name)]
                raise Misplaced(
                    name,
                    f"none of {', '.join(self.architectures())} has it; leave it out, or add"
                    f" {' or '.join(known)}",
                )

    def entries(self) -> dict[str, Entry]:
        """Return the entries that were given, by name, the architecture first."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name))}

    def without(self, architecture: str) -> Self:
        """Return the space without an architecture, and without what nobody else has."""
        left = tuple(name for name in self.architectures() if name != architecture)
        kept = {"architecture": Choices(choices=left)}
        gone = {
            name: None
            for name in self.entries()
            if name != "architecture" and not any(get(one).has(name) for one in left)
        }
        return self.model_copy(update={**gone, **kept})

    def architectures(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.architecture.bounds())


def _check_names(name: str, entry: Entry | None, known: Collection[str]) -> None:
    if isinstance(entry, Range):
        raise Misplaced(name, f"takes names, not a range; known: {', '.join(known)}")
    for value in entry.choices if entry else ():
        if str(value) not in known:
            raise Misplaced(name, f"unknown name '{value}'{did_you_mean(str(value), known)}")


def _check_numbers(
    name: str, entry: Entry | None, low: float, high: float, whole: bool = False
) -> None:
    for value in entry.bounds() if entry else ():
        if isinstance(value, str):
            raise Misplaced(name, f"must be a number, got the text '{value}'{number_hint(value)}")
        if isinstance(value, bool) or not low <= value <= high:
            raise Misplaced(name, f"must be from {low:g} to {high:g}, got {value}")
        if whole and value != int(value):
            raise Misplaced(name, f"must be a whole number, got {value}")
    if whole and isinstance(entry, Range) and entry.step and entry.step != int(entry.step):
        raise Misplaced(name, f"step must be a whole number, got {entry.step}")
