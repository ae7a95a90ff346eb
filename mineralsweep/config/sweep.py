"""A sweep file's model, strict and frozen; and what its engine can't do with its space."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mineralsweep.config.engine import Engine
from mineralsweep.config.entries import Range
from mineralsweep.config.sections import (
    Budget,
    Data,
    Faults,
    Gate,
    Misplaced,
    Resources,
    Stop,
    Strict,
    Training,
    as_tuple,
)
from mineralsweep.config.space import Space, check_point, default_points
from mineralsweep.core import objective as objectives
from mineralsweep.core.cost import COSTS
from mineralsweep.core.hyperparameter import Params, Value
from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models import get as get_architecture
from mineralsweep.models.architecture import IMAGE_SIZE, LARGEST_SIDE

WORKERS_AT_MOST = 256
NAMED = ("architecture", "backbone")
"""Entries that a space may lose values of, where weights can't be had."""
FOLD_PRUNERS = ("wilcoxon", "none")
"""They compare trials fold by fold. The others compare the epochs of one split."""


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
        executor: what trains: "local", processes of this machine, or "ray", a cluster.
        address: of the cluster, HOST:PORT; "": RAY_ADDRESS, or else Ray is started on this machine.
        resources: of a trial, or of one of its folds.
        folds: a trial is trained so many times, each time validated on another part of all images
            but those of the test split; 1: once, on the split's train and validation part.
        repeats: of the folds, each time divided anew.
        warm_start: points that are tried first; None: each architecture's defaults.
        objective: one of `core.objective.OBJECTIVES`.
        objectives: the objective, and costs of `core.cost.COSTS`, where a cheaper model is wanted
            too; empty: the objective alone.
        tolerance: how much of the objective the champion may lack for being cheaper.
        refit: the champion is trained once more, on all images but those of the test split.
        weights: of pretrained architectures: imagenet, the path of a file or folder, or none.
        baseline: "eligible" to become the champion, as a trial is; or "none" is fitted.
        workers: trials at a time; None: what suits the machine.
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
    warm_start: Annotated[tuple[Params, ...] | None, BeforeValidator(as_tuple)] = None
    objective: str = "accuracy"
    objectives: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    tolerance: float = Field(default=0.02, ge=0)
    refit: bool = False
    weights: str = Field(default="imagenet", min_length=1)
    baseline: Literal["eligible", "none"] = "eligible"
    training: Training = Training()
    faults: Faults = Faults()
    gate: Gate = Gate()
    executor: str = Field(default="local", min_length=1)
    address: str = ""
    resources: Resources = Resources()
    workers: Annotated[int | None, BeforeValidator(_workers)] = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="before")
    @classmethod
    def _pruner_suits_folds(cls, raw: Any) -> Any:
        """Fill in the pruner that compares folds, where there are folds and none was named."""
        if isinstance(raw, dict) and isinstance(raw.get("folds"), int) and raw["folds"] > 1:
            engine = raw.get("engine", {})
            if isinstance(engine, dict) and "pruner" not in engine:
                return {**raw, "engine": {**engine, "pruner": "wilcoxon"}}
        return raw

    @model_validator(mode="before")
    @classmethod
    def _first_of_the_objectives(cls, raw: Any) -> Any:
        """Fill in the objective, and no pruner, where several objectives are named."""
        named = raw.get("objectives") if isinstance(raw, dict) else None
        if not isinstance(named, list | tuple) or not named:
            return raw
        engine = raw.get("engine", {})
        if isinstance(engine, dict) and "pruner" not in engine:
            raw = {**raw, "engine": {**engine, "pruner": "none"}}
        if named[0] not in objectives.OBJECTIVES:
            known = ", ".join(objectives.OBJECTIVES)
            raise Misplaced("objectives", f"must begin with one of {known}, got {named[0]!r}")
        return {"objective": named[0], **raw}

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, name: str) -> str:
        if name not in objectives.OBJECTIVES:
            raise ValueError(f"unknown value '{name}'{did_you_mean(name, objectives.OBJECTIVES)}")
        return name

    @model_validator(mode="after")
    def _objectives_are_known(self) -> Self:
        if not self.objectives:
            if "tolerance" in self.model_fields_set:
                raise Misplaced(
                    "tolerance", "is for several objectives; name them, or leave it out"
                )
            return self
        first, *others = self.objectives
        if first != self.objective:
            raise Misplaced(
                "objective",
                f"is {self.objective}, and objectives begin with {first}; leave it out, or"
                f" write {first} in both",
            )
        for name in others:
            if name not in COSTS:
                hint = did_you_mean(name, COSTS)
                raise Misplaced("objectives", f"after the first, unknown cost '{name}'{hint}")
        if not others or len(set(others)) < len(others):
            raise Misplaced(
                "objectives", f"must name an objective and costs ({', '.join(COSTS)}), each once,"
                f" got {list(self.objectives)}; for one alone write objective: {first}",
            )  # fmt: skip
        if self.engine.name != "optuna":
            raise Misplaced("objectives", f"{self.engine.name} takes one; set engine.name: optuna")
        if self.engine.pruner != "none":
            raise Misplaced("engine.pruner", "with objectives no trial is pruned; leave it out")
        if self.engine.resolved() == "cmaes":
            raise Misplaced("engine.sampler", "cmaes takes one objective; write tpe or nsgaii")
        return self

    @model_validator(mode="after")
    def _address_is_of_a_cluster(self) -> Self:
        if self.address and self.executor == "local":
            raise Misplaced("address", f"{self.address} is a cluster's; set executor: ray")
        return self

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
    def _architectures_and_sampler_suit(self) -> Self:
        entry = self.space.entries().get(IMAGE_SIZE.name)
        if entry is not None and self.image_size is not None:
            raise Misplaced("image_size", "is in the space too; leave one of them out")
        smallest = (int(min(map(float, entry.bounds()))),) * 2 if entry is not None else None
        for name in self.space.architectures():
            try:
                get_architecture(name).check_image_size(smallest or self.size_for(name))
            except ArchitectureError as error:
                raise Misplaced("space.image_size" if entry else "image_size", str(error)) from None
        numbers = numbers_for_all(self)
        if self.engine.resolved() == "cmaes" and len(numbers) < 2:
            raise Misplaced(
                "engine.sampler",
                "cmaes needs at least two ranges of numbers that every architecture has, got"
                f" {', '.join(numbers) or 'none'}; use tpe",
            )
        for name, entry in self.space.entries().items():
            if self.engine.sampler == "grid" and entry.ladder() is None:
                raise Misplaced(
                    f"space.{name}", "the grid sampler needs choices or a step, got a range"
                )
        return self

    @model_validator(mode="after")
    def _warm_start_in_the_space(self) -> Self:
        for index, point in enumerate(self.warm_start or ()):
            check_point(self.space, point, f"warm_start.{index}")
        return self

    def first_points(self) -> list[Params]:
        """Return the points that are tried first: the file's, else each architecture's defaults."""
        if self.warm_start is not None:
            entries = self.space.entries()  # some may be left out for want of their weights
            return [
                dict(point)
                for point in self.warm_start
                if all(
                    name in entries and entries[name].holds(value)
                    for name, value in point.items()
                    if name in NAMED
                )
            ]
        return [] if self.engine.sampler == "grid" else default_points(self.space)

    def size_for(self, architecture: str, of_trial: Value | None = None) -> tuple[int, int]:
        """Return (height, width) in pixels: a trial's, the sweep's, or the architecture's own."""
        if of_trial is not None:
            return int(of_trial), int(of_trial)
        return self.image_size or get_architecture(architecture).image_size

    def deepest(self) -> dict[str, int]:
        """Return the most parts of a trunk that a trial may unfreeze, by the hyperparameter."""
        entries = self.space.entries()
        trunks = [get_architecture(name).trunk for name in self.space.architectures()]
        names = {trunk.depth for trunk in trunks if trunk is not None}
        return {
            name: max(int(depth) for depth in entries[name].bounds())
            for name in sorted(names & entries.keys())
        }

    def fits(self) -> int:
        """Return how often a trial is trained."""
        return self.folds * self.repeats

    @property
    def costs(self) -> tuple[str, ...]:
        """The objectives after the first: what a model costs to use."""
        return self.objectives[1:]

    def metric(self) -> str:
        """Return the objective's name in MLflow."""
        return objectives.get(self.objective).metric


def caveats(sweep: Sweep) -> list[str]:
    """Return a sentence for each thing that the chosen engine does otherwise than one may think."""
    engine, told = sweep.engine, [_of_the_sampler(sweep)]
    named = "pruner" in engine.model_fields_set and engine.pruner != "none"
    if engine.name == "keras-tuner" and named:
        told.append(f"KerasTuner has no pruners: engine.pruner {engine.pruner} is not used.")
    return [text for text in told if text]


def numbers_for_all(sweep: Sweep) -> list[str]:
    """Return the searched ranges of numbers that every trial has."""
    return [
        name
        for name, entry in sweep.space.entries().items()
        if isinstance(entry, Range) and name not in _conditional(sweep)
    ]


def _of_the_sampler(sweep: Sweep) -> str:
    engine, sampler = sweep.engine, sweep.engine.resolved()
    if sampler != engine.sampler:
        return f"{engine.name} has no sampler {engine.sampler}: {sampler} takes its place."
    if engine.name == "keras-tuner" and sampler == "hyperband":
        return (
            "KerasTuner's Hyperband trains the best trials of a rung on: each is a trial of its"
            " own here, which starts from the earlier one's last weights."
        )
    apart = _apart(sweep, sampler)
    if apart:
        return f"The sampler {sampler} does not learn {', '.join(apart)}: drawn at random."
    if sampler == "nsgaii":
        population = int(engine.sampler_options.get("population_size", 50))
        if population >= sweep.budget.trials:
            return (
                f"The sampler nsgaii draws at random until {population} trials are complete, and"
                f" the budget is {sweep.budget.trials}; lower sampler_options.population_size."
            )
    return ""


def _apart(sweep: Sweep, sampler: str) -> list[str]:
    """Return the entries that a sampler draws at random, whatever was told."""
    searched = sweep.space.searched()
    if sampler == "cmaes":
        return [name for name in searched if name not in numbers_for_all(sweep)]
    if sampler in ("gp", "qmc", "nsgaii"):
        return [name for name in searched if name in _conditional(sweep)]
    return []


def _conditional(sweep: Sweep) -> set[str]:
    """Return the entries that some architectures of the space don't have."""
    space = sweep.space
    every = len(space.architectures())
    return {name for name in space.entries() if len(space.owners(name)) < every}
