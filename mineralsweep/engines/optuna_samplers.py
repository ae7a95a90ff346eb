"""Optuna's samplers by the names of sweep files, one for each proposal."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import optuna
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.storages import BaseStorage

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
    # All trials share one sequence, so its scrambling has the sweep's own seed.
    return QMCSampler(
        **settings.sampler_options,
        seed=seed,
        independent_sampler=RandomSampler(seed=proposal_seed(seed, number)),
        warn_independent_sampling=False,
    )


def ask_for(draft: optuna.Study, storage: BaseStorage, number: int) -> optuna.Trial:
    """Ask for a trial; in a quasi-random sequence it has the place of its number.

    Optuna counts places in the study's attributes, and a draft begins to count anew.

    Args:
        draft: a copy of the study.
        storage: the draft's own.
        number: of the trial.
    """
    trial = draft.ask()
    if not isinstance(draft.sampler, QMCSampler) or number == 0:
        return trial
    study_id = storage.get_study_id_from_name(draft.study_name)
    attributes = storage.get_study_system_attrs(study_id)
    places = [key for key, value in attributes.items() if isinstance(value, int)]
    for key in places:
        storage.set_study_system_attr(study_id, key, number - 1)
    return draft.ask() if places else trial


SAMPLERS: dict[str, Callable[[Engine, int, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "grid": _random,  # what a grid's points leave open: nothing
    "gp": _gp,
    "cmaes": _cmaes,
    "qmc": _qmc,
    "nsgaii": _nsgaii,
}
