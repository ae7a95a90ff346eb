"""KerasTuner's oracles by the names of sweep files, and a sweep's space in its terms."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import keras_tuner

from mineralsweep.config import Range, Space, Sweep
from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Value

NO_LIMIT = 10**9
"""Of failures in a row: the sweep has a limit of its own."""


def oracle(sweep: Sweep, seed: int) -> keras_tuner.Oracle:
    """Return a new oracle, of the sweep's kind, over its space.

    Args:
        sweep: the space, the kind, its options and the objective.
        seed: from 1; KerasTuner takes 0 for none.
    """
    direction = objectives.get(sweep.objective).direction
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(sweep.metric(), direction[:3]),
        "hyperparameters": declare(keras_tuner.HyperParameters(), sweep.space),
        "seed": seed,
        "max_consecutive_failed_trials": NO_LIMIT,
    }
    kind, given = sweep.engine.resolved(), dict(sweep.engine.sampler_options)
    if kind == "hyperband":
        made = keras_tuner.oracles.HyperbandOracle(
            **options, max_epochs=sweep.budget.epochs, **given
        )
    elif kind == "bayesian":
        if "startup_trials" in sweep.engine.model_fields_set:
            given.setdefault("num_initial_points", sweep.engine.startup_trials)
        made = keras_tuner.oracles.BayesianOptimizationOracle(**options, max_trials=None, **given)
    else:
        made = keras_tuner.oracles.RandomSearchOracle(**options, max_trials=None, **given)
    made.verbose = 0
    return made


def declare(declared: keras_tuner.HyperParameters, space: Space) -> keras_tuner.HyperParameters:
    """Put a space in KerasTuner's terms, and return it; constants are left out.

    An entry that some of the architectures don't have stands in a conditional scope.
    """
    every = len(space.architectures())
    for name in space.searched():
        owners = [one.name for one in space.owners(name)]
        if len(owners) == every:
            _declare(declared, name, space)
        else:
            with declared.conditional_scope("architecture", owners):
                _declare(declared, name, space)
    return declared


def _declare(declared: keras_tuner.HyperParameters, name: str, space: Space) -> None:
    entry, kind = space.entries()[name], space.hyperparameter(name)
    values = entry.ladder()
    if values is not None:
        choices = [kind.typed(value) for value in values]
        # A ladder is written out: KerasTuner's steps are not always its values, to the last bit.
        ordered = not any(isinstance(one, str) for one in choices)
        declared.Choice(name, choices, ordered=ordered)
        return
    assert isinstance(entry, Range)
    sampling = "log" if entry.log else "linear"
    if kind.kind == "int":
        declared.Int(name, int(entry.low), int(entry.high), sampling=sampling)
    else:
        declared.Float(name, entry.low, entry.high, sampling=sampling)


def drawn(declared: keras_tuner.HyperParameters, values: dict[str, Value], seed: int) -> None:
    """Fill `values` with a random draw for each entry that it lacks."""
    for place, one in enumerate(declared.space):
        if one.name not in values:
            values[one.name] = one.random_sample(seed + place)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """KerasTuner calls outdated functions of threading, and scikit-learn tells of slow fits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
