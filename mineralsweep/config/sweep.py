"""A sweep file's model: strict and frozen."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mineralsweep.config.caveats import check_sampler
from mineralsweep.config.engine import Engine
from mineralsweep.config.entries import Strict
from mineralsweep.config.gate import Gate
from mineralsweep.config.rules import Misplaced
from mineralsweep.config.space import Space
from mineralsweep.config.stop import Stop
from mineralsweep.config.warm_start import Point, check_points, study_points
from mineralsweep.core import objective as objectives
from mineralsweep.core.recipe import FIXED, Flips, Schedule
from mineralsweep.data.split import parse_shares
from mineralsweep.errors import ArchitectureError, ConfigError, did_you_mean
from mineralsweep.models import get as get_architecture


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


LARGEST_SIDE = 2048


def _image_size(value: Any) -> Any:
    """Read pixels: [height, width], one number for both, or "auto" for the architecture's own."""
    if value is None or value == "auto":
        return None
    sides = [value, value] if isinstance(value, int) else value
    whole = isinstance(sides, list | tuple) and all(type(side) is int for side in sides)
    if not whole or len(sides) != 2 or not 1 <= min(sides) <= max(sides) <= LARGEST_SIDE:
        raise ValueError(
            f"must be auto, or height and width from 1 to {LARGEST_SIDE} pixels, got {value!r}"
        )
    return tuple(sides)


class Data(Strict):
    """Where the photographs come from, and how they are divided.

    `near_duplicates`: "group" keeps images of one photograph on one side of the split; "ignore"
    does not look for them.
    """

    source: str = Field(default="sample", min_length=1)
    split: str = "40/20/40"
    split_seed: int = Field(default=0, ge=0)
    classes: Annotated[tuple[str, ...] | None, BeforeValidator(_as_tuple)] = None
    near_duplicates: Literal["group", "ignore"] = "group"

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        try:
            parse_shares(self.split)
        except ConfigError as error:
            raise Misplaced("split", str(error)) from None
        return self


class Budget(Strict):
    """When to stop. `timeout` is in seconds; `patience` in epochs without a lower loss, 0: off."""

    trials: int = Field(default=20, ge=1, le=100_000)
    epochs: int = Field(default=30, ge=1, le=10_000)
    patience: int = Field(default=0, ge=0)
    timeout: float | None = Field(default=None, gt=0)


class Training(Strict):
    """How a trial trains, whatever its hyperparameters.

    Attributes:
        precision: "auto" is bfloat16 where the processor or GPU has it, else float32.
        views: augmented views of each training image under a frozen trunk, kept in the feature
            store; an epoch draws one of them. 0: no store, a new view through the whole network
            each epoch.
        head_epochs: the first epochs train the head alone, before layers of the trunk join it.
        schedule, warmup, balance, average_weights, flips: see `models.recipe.Recipe`; None: the
            architecture's own.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    views: int = Field(default=4, ge=0, le=1000)
    head_epochs: int = Field(default=0, ge=0, le=10_000)
    schedule: Schedule | None = None
    warmup: int | None = Field(default=None, ge=0, le=10_000)
    balance: float | None = Field(default=None, ge=0, le=1)
    average_weights: float | None = Field(default=None, ge=0, lt=1)
    flips: Flips | None = None

    def recipe_changes(self) -> dict[str, float | int | str | None]:
        """Return the options of a recipe that are fixed for the whole sweep, None: not given."""
        return {name: getattr(self, name) for name in FIXED}


class Faults(Strict):
    """What becomes of a trial that fails.

    Attributes:
        retries: how often a trial is tried again after a fault that may pass: its process died,
            or memory ran out (then with half the batch).
        max_consecutive_failures: so many failed trials one after the other stop the sweep.
        trial_timeout: seconds that one trial may take, from its start; None: no limit.
        silence_timeout: seconds after which a trial that reports nothing, no epoch and no view, is
            ended as failed: it hangs. None: never.
        checkpoint_every: seconds of training that may be lost when the sweep is stopped; at the end
            of the next epoch a trial's state is written to disk.
        store_timeout: seconds that a sweep that is done waits for an MLflow that does not answer.
    """

    retries: int = Field(default=1, ge=0, le=10)
    max_consecutive_failures: int = Field(default=3, ge=1)
    trial_timeout: float | None = Field(default=None, gt=0)
    silence_timeout: float | None = Field(default=3600.0, gt=0)
    checkpoint_every: float = Field(default=30.0, ge=0)
    store_timeout: float = Field(default=600.0, ge=0)


FOLD_PRUNERS = ("wilcoxon", "none")
"""They compare trials fold by fold. The others compare the epochs of one split."""

WORKERS_AT_MOST = 256


def _workers(value: Any) -> Any:
    """Read a number of processes, or "auto" for what suits the machine."""
    if value is None or value == "auto":
        return None
    if type(value) is not int or not 1 <= value <= WORKERS_AT_MOST:
        raise ValueError(
            f"must be auto, or a whole number from 1 to {WORKERS_AT_MOST}, got {value!r}"
        )
    return value


class Sweep(Strict):
    """One question put to the data: a whole sweep file, with the flags laid over it.

    Attributes:
        folds: a trial is trained so many times, each time validated on another part of all images
            but those of the test split; 1: once, on the split's train and validation part.
        repeats: of the folds, each time divided anew.
    """

    question: str = Field(min_length=1)
    data: Data = Data()
    image_size: Annotated[tuple[int, int] | None, BeforeValidator(_image_size)] = None
    space: Space
    budget: Budget = Budget()
    stop: Stop = Stop()
    engine: Engine = Engine()
    folds: int = Field(default=1, ge=1, le=20)
    repeats: int = Field(default=1, ge=1, le=20)
    warm_start: Annotated[tuple[Point, ...] | None, BeforeValidator(_as_tuple)] = None
    objective: str = "accuracy"
    weights: str = Field(default="imagenet", min_length=1)
    baseline: Literal["auto", "none", "eligible"] = "auto"
    training: Training = Training()
    faults: Faults = Faults()
    gate: Gate = Gate()
    workers: Annotated[int | None, BeforeValidator(_workers)] = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="before")
    @classmethod
    def _pruner_suits_folds(cls, raw: Any) -> Any:
        """Fill in the pruner that compares folds, where there are folds and none was named."""
        if not isinstance(raw, dict) or not _many(raw.get("folds")):
            return raw
        engine = raw.get("engine", {})
        if not isinstance(engine, dict) or "pruner" in engine:
            return raw
        return {**raw, "engine": {**engine, "pruner": "wilcoxon"}}

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, name: str) -> str:
        if name not in objectives.OBJECTIVES:
            raise ValueError(f"unknown value '{name}'{did_you_mean(name, objectives.OBJECTIVES)}")
        return name

    @model_validator(mode="after")
    def _folds_and_pruner_agree(self) -> Self:
        pruner = self.engine.pruner
        if self.folds == 1 and self.repeats > 1:
            raise Misplaced("repeats", f"needs folds, got {self.repeats}; set folds, such as 5")
        if self.folds == 1 and pruner == "wilcoxon":
            raise Misplaced(
                "engine.pruner", "wilcoxon compares folds, and there are none; set folds, such as 5"
            )
        if self.folds > 1 and pruner not in FOLD_PRUNERS:
            raise Misplaced(
                "engine.pruner",
                f"{pruner} compares epochs of one split, and each trial has {self.folds} folds;"
                f" leave it out, or write {' or '.join(FOLD_PRUNERS)}",
            )
        return self

    @model_validator(mode="after")
    def _images_large_enough(self) -> Self:
        for name in self.space.architectures():
            try:
                get_architecture(name).check_image_size(self.size_for(name))
            except ArchitectureError as error:
                raise Misplaced("image_size", str(error)) from None
        check_sampler(self)
        if self.engine.sampler == "grid":
            for name, entry in self.space.entries().items():
                if entry.ladder() is None:
                    raise Misplaced(
                        f"space.{name}", "the grid sampler needs choices or a step, got a range"
                    )
        return self

    @model_validator(mode="after")
    def _warm_start_in_the_space(self) -> Self:
        check_points(self.space, self.warm_start or ())
        return self

    def first_points(self) -> list[Point]:
        """Return the points that are tried first: the file's, else the study's own settings."""
        if self.warm_start is not None:
            there = self.space.architectures()  # one may be left out for want of its weights
            return [
                dict(point)
                for point in self.warm_start
                if point.get("architecture", there[0]) in there
            ]
        return [] if self.engine.sampler == "grid" else study_points(self.space)

    def size_for(self, architecture: str) -> tuple[int, int]:
        """Return (height, width) in pixels: this sweep's, else the architecture's own."""
        return self.image_size or get_architecture(architecture).image_size

    def deepest(self) -> int:
        """Return the most layers of a trunk that a trial may unfreeze."""
        return int(max(self.space.unfrozen.bounds())) if self.space.unfrozen else 0

    def fits(self) -> int:
        """Return how often a trial is trained."""
        return self.folds * self.repeats

    def metric(self) -> str:
        """Return the objective's name in MLflow."""
        return objectives.get(self.objective).metric


def _many(folds: Any) -> bool:
    return type(folds) is int and folds > 1
