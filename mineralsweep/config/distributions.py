"""A search space's entries -> the questions of one trial, and an engine's distributions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from mineralsweep.config.entries import Choices, Entry, Range
from mineralsweep.config.space import Space
from mineralsweep.core.hyperparameter import Params, Value
from mineralsweep.models import get as get_architecture

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

WHOLE = ("unfrozen", "batch_size", "width", "depth", "trees")


def propose(space: Space, choose: Callable[[str, Entry], Value]) -> Params:
    """Ask `choose` for each hyperparameter that this trial has, the architecture first.

    A constant is filled in without asking.
    """
    params: Params = {}
    for name, entry in space.entries().items():
        if name != "architecture" and not get_architecture(str(params["architecture"])).has(name):
            continue
        only = constant(entry)
        params[name] = typed(name, choose(name, entry) if only is None else only)
    return params


def constant(entry: Entry) -> Value | None:
    """Return the only value of an entry, None where there is a choice."""
    values = entry.ladder()
    return values[0] if values and len(values) == 1 else None


def grid(space: Space) -> list[Params]:
    """Return every distinct trial of a space of choices and ladders, in order."""
    entries = space.entries()
    ladders = {name: entry.ladder() or () for name, entry in entries.items()}
    found: dict[tuple[tuple[str, Value], ...], Params] = {}
    for values in itertools.product(*ladders.values()):
        point = dict(zip(ladders, values, strict=True))
        params = propose(space, lambda name, _, point=point: point[name])  # type: ignore[misc]
        found.setdefault(tuple(params.items()), params)
    return list(found.values())


MOST_COMBINATIONS = 10_000


def combinations(space: Space) -> list[Params] | None:
    """Return every distinct trial of a finite space; None where there are too many to list."""
    ladders = [entry.ladder() for entry in space.entries().values()]
    if not all(ladders) or math.prod(len(one or ()) for one in ladders) > MOST_COMBINATIONS:
        return None
    return grid(space)


def first_of_grid(space: Space, points: list[Params]) -> list[Params]:
    """Return the grid of a space, what agrees with one of the points first."""

    def place(params: Params) -> int:
        agreeing = [i for i, point in enumerate(points) if point.items() <= params.items()]
        return agreeing[0] if agreeing else len(points)

    return sorted(grid(space), key=place)


def distribution(
    name: str, entry: Entry
) -> CategoricalDistribution | IntDistribution | FloatDistribution:
    """Translate an entry into Optuna's terms."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(entry, Choices):
        return CategoricalDistribution(tuple(typed(name, value) for value in entry.choices))
    if name in WHOLE:
        step = int(entry.step or 1)
        return IntDistribution(int(entry.low), int(entry.high), log=entry.log, step=step)
    return FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)


def describe(entry: Entry) -> str:
    """Say an entry in one line, the same text for the same entry."""
    if isinstance(entry, Range):
        scale = ", log" if entry.log else ""
        return f"{entry.low:g} to {entry.high:g}{scale}" + (
            f", step {entry.step:g}" if entry.step else ""
        )
    return " | ".join(str(choice) for choice in entry.choices)


def typed(name: str, value: Value) -> Value:
    """Return a value as this hyperparameter's type: whole numbers int, the others float."""
    if name in WHOLE:
        return int(value)
    return value if isinstance(value, str) else float(value)
