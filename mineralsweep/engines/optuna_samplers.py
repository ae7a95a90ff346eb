"""Optuna's samplers by the names of sweep files, one for each proposal."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from mineralsweep.config import Engine, Sweep
from mineralsweep.engines.engine import proposal_seed


def sampler(sweep: Sweep, number: int) -> BaseSampler:
    """Return a new sampler for one proposal; its draws follow from the sweep's seed and `number`.

    Args:
        sweep: names the sampler and its options.
        number: of the trial that is proposed.
    """
    build = SAMPLERS[sweep.engine.resolved()]
    with warnings.catch_warnings():
        # Some samplers and options are marked experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return build(sweep.engine, sweep.seed, number)


def _random(settings: Engine, seed: int, number: int) -> BaseSampler:
    return RandomSampler(seed=proposal_seed(seed, number))


def _tpe(settings: Engine, seed: int, number: int) -> BaseSampler:
    # Made for conditional spaces: both together.
    ours = {
        "multivariate": True,
        "group": settings.sampler_options.get("multivariate", True),
        "n_startup_trials": settings.startup_trials,
        "seed": proposal_seed(seed, number),
    }
    return TPESampler(**(ours | settings.sampler_options))


def _gp(settings: Engine, seed: int, number: int) -> BaseSampler:
    ours = {"n_startup_trials": settings.startup_trials, "seed": proposal_seed(seed, number)}
    return GPSampler(**(ours | settings.sampler_options), warn_independent_sampling=False)


def _cmaes(settings: Engine, seed: int, number: int) -> BaseSampler:
    own = proposal_seed(seed, number)
    return CmaEsSampler(**settings.sampler_options, seed=own, warn_independent_sampling=False)


def _nsgaii(settings: Engine, seed: int, number: int) -> BaseSampler:
    return NSGAIISampler(**settings.sampler_options, seed=proposal_seed(seed, number))


def _qmc(settings: Engine, seed: int, number: int) -> BaseSampler:
    return _NumberedQmc(number, seed, **settings.sampler_options)


class _NumberedQmc(QMCSampler):
    """A quasi-random sequence in which a trial has the place of its number.

    Optuna counts places in the study's storage, where a driver that was killed while it drew
    leaves one unused. All trials share one sequence, so its scrambling has the sweep's own seed.
    """

    def __init__(self, number: int, seed: int, **options: Any) -> None:
        super().__init__(
            **options,
            seed=seed,
            independent_sampler=RandomSampler(seed=proposal_seed(seed, number)),
            warn_independent_sampling=False,
        )
        self._number = number

    def _find_sample_id(
        self, study: optuna.Study, search_space: dict[str, BaseDistribution]
    ) -> int:
        return self._number


SAMPLERS: dict[str, Callable[[Engine, int, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "grid": _random,  # what a grid's points leave open: nothing
    "gp": _gp,
    "cmaes": _cmaes,
    "qmc": _qmc,
    "nsgaii": _nsgaii,
}
