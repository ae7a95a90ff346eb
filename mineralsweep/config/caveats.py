"""What a sampler or a pruner can't do with a space: said before a sweep begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mineralsweep.config.entries import Range
from mineralsweep.config.rules import Misplaced

if TYPE_CHECKING:
    from mineralsweep.config.sweep import Sweep


def caveats(sweep: Sweep) -> list[str]:
    """Return a sentence for each thing that the chosen engine does otherwise than one may think."""
    return [text for text in (_of_the_sampler(sweep), _of_the_pruner(sweep)) if text]


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


def _of_the_pruner(sweep: Sweep) -> str:
    engine = sweep.engine
    named = "pruner" in engine.model_fields_set and engine.pruner != "none"
    if engine.name == "keras-tuner" and named:
        return f"KerasTuner has no pruners: engine.pruner {engine.pruner} is not used."
    return ""


def _conditional(sweep: Sweep) -> set[str]:
    """Return the entries that some architectures of the space don't have."""
    space = sweep.space
    every = len(space.architectures())
    return {name for name in space.entries() if len(space.owners(name)) < every}


def check_sampler(sweep: Sweep) -> None:
    """Refuse a space in which a sampler can do nothing.

    Raises:
        Misplaced: CMA-ES has fewer than two ranges of numbers that every trial has.
    """
    if sweep.engine.resolved() == "cmaes" and len(numbers_for_all(sweep)) < 2:
        found = ", ".join(numbers_for_all(sweep)) or "none"
        raise Misplaced(
            "engine.sampler",
            "cmaes needs at least two ranges of numbers that every architecture has, got"
            f" {found}; use tpe",
        )
