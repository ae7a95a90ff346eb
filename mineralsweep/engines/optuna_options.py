"""Optuna's samplers and pruners by the names of sweep files, and why a pruner ended a trial.

What a sweep file gives under `sampler_options` and `pruner_options` goes before what stands here.
"""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna import pruners, samplers
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mineralsweep.config import Engine, Sweep
from mineralsweep.engines.engine import proposal_seed

SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "tpe": samplers.TPESampler,
    "random": RandomSampler,
    "grid": RandomSampler,  # what a grid's points leave open: nothing
    "gp": samplers.GPSampler,
    "cmaes": samplers.CmaEsSampler,
    "qmc": QMCSampler,
    "nsgaii": samplers.NSGAIISampler,
}

REDUCTION_FACTOR = 3
"""One trial in three passes a rung; Li et al., arXiv:1603.06560, advise 3 or 4."""

RUNGS = 3
"""At a ninth, a third and the whole of a trial's epochs; the last one prunes nothing."""

SPAN: int = REDUCTION_FACTOR ** (RUNGS - 1)
"""Epochs of the last rung, as a multiple of the first one's."""

WILCOXON_P = 0.2
"""A trial that lost its first 3 folds to the best one has p = 1/8, after 4 folds 1/16. Optuna's 0.1
would wait for the fourth of 5 folds, and save one; this one saves two. The test is repeated after
each fold, so that it is no error rate: a pruner's mistake costs a trial, not a claim."""


def sampler(sweep: Sweep, number: int) -> BaseSampler:
    """Return a new sampler for one proposal; its draws follow from the sweep's seed and `number`.

    Args:
        sweep: names the sampler and its options.
        number: of the trial that is proposed.
    """
    settings, seed = sweep.engine, proposal_seed(sweep.seed, number)
    startup = {"n_startup_trials": settings.startup_trials}
    silent = {"warn_independent_sampling": False}
    ours: dict[str, dict[str, Any]] = {
        # Made for conditional spaces: both together.
        "tpe": {
            "multivariate": True,
            "group": settings.sampler_options.get("multivariate", True),
            **startup,
        },
        "gp": startup | silent,
        "cmaes": silent,
        # All trials share one sequence, so its scrambling has the sweep's own seed.
        "qmc": {"seed": sweep.seed, "independent_sampler": RandomSampler(seed=seed)} | silent,
    }
    name = settings.resolved()
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        return SAMPLERS[name](**{"seed": seed} | ours.get(name, {}) | settings.sampler_options)


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


@dataclass(frozen=True)
class Pruner:
    """A pruner that a sweep file can name.

    Attributes:
        kind: Optuna's class.
        ours: (the sweep's engine settings, epochs of a trial) -> arguments of the class.
        explain: what happened -> why the trial was pruned, in words; None where it is to be
            spared.
    """

    kind: Callable[..., BasePruner]
    ours: Callable[[Engine, int], dict[str, Any]]
    explain: Callable[[_Pruned], str | None]

    def build(self, settings: Engine, epochs: int) -> BasePruner:
        """Return the pruner for trials of so many epochs."""
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            return self.kind(**self.ours(settings, epochs) | settings.pruner_options)


@dataclass(frozen=True)
class _Pruned:
    """A trial that a pruner has just stopped, at its last step; `metric` names what it compared.

    Steps count from 1.
    """

    settings: Engine
    study: optuna.Study
    trial: FrozenTrial
    metric: str

    @property
    def step(self) -> int:
        return max(self.trial.intermediate_values)

    @property
    def value(self) -> float:
        return self.trial.intermediate_values[self.step]

    @property
    def best(self) -> float:
        choose = max if self.maximizes else min
        return choose(self.trial.intermediate_values.values())

    @property
    def maximizes(self) -> bool:
        return self.study.direction == StudyDirection.MAXIMIZE

    @property
    def side(self) -> str:
        """Where a worse value lies."""
        return "below" if self.maximizes else "above"

    def where(self) -> str:
        return f"{self.settings.pruner} pruner at epoch {self.step}"

    def others(self) -> list[float]:
        """Return what the complete trials had at this step."""
        return [
            other.intermediate_values[self.step]
            for other in _complete(self.study.get_trials(deepcopy=False))
            if self.step in other.intermediate_values
        ]


def explain(settings: Engine, study: optuna.Study, number: int, metric: str) -> str | None:
    """Say why the pruner ends a trial, right after it did; None for a trial that it must spare.

    Until a trial has completed, the one that runs the longest is spared: a study without a
    complete trial has no champion, however good its pruned trials were.
    """
    trials = study.get_trials(deepcopy=False)
    running = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
    if number == min(running) and not _complete(trials):
        return None
    return PRUNERS[settings.pruner].explain(_Pruned(settings, study, trials[number], metric))


def first_rung(epochs: int) -> int:
    """Return the epoch of the first of `RUNGS` rungs, the last of which is at `epochs` or later."""
    return math.ceil(epochs / SPAN)


def _waiting(settings: Engine, epochs: int) -> dict[str, Any]:
    """Say when a pruner that compares with earlier trials begins."""
    return {"n_startup_trials": settings.startup_trials, "n_warmup_steps": max(1, epochs // 4)}


def _rungs(settings: Engine, epochs: int) -> dict[str, Any]:
    return {"min_resource": first_rung(epochs), "reduction_factor": REDUCTION_FACTOR}


def _brackets(settings: Engine, epochs: int) -> dict[str, Any]:
    # Optuna takes the number of brackets from the ratio of both resources. The epochs of the last
    # rung, not of a trial, make it RUNGS for any budget; the last bracket prunes nothing.
    return _rungs(settings, epochs) | {"max_resource": first_rung(epochs) * SPAN}


def _patience(settings: Engine, epochs: int) -> dict[str, Any]:
    # Optuna waits one epoch more than it is told; here it counts as `budget.patience` does.
    return {"wrapped_pruner": None, "patience": settings.pruner_patience - 1}


def _explain_median(it: _Pruned) -> str:
    others = it.others()
    value, bar = _apart(it.best, statistics.median(others))
    if it.value != it.best:
        value += " at best"
    return (
        f"{it.where()}: {it.metric} {value} {it.side} {bar}, the median of {_trials(len(others))}"
    )


def _explain_percentile(it: _Pruned) -> str:
    others, share = it.others(), float(it.settings.pruner_options.get("percentile", 25.0))
    rank = 100 - share if it.maximizes else share
    value, bar = _apart(it.best, float(np.percentile(others, rank)))
    return (
        f"{it.where()}: {it.metric} {value} at best {it.side} {bar},"
        f" the best {share:g} % of {_trials(len(others))}"
    )


def _explain_rung(it: _Pruned) -> str:
    factor = it.settings.pruner_options.get("reduction_factor", REDUCTION_FACTOR)
    return (
        f"{it.where()}: {it.metric} {it.value:.3f} is not among"
        f" the best 1/{factor} of the trials that reached this rung"
    )


def _explain_patience(it: _Pruned) -> str:
    values = it.trial.intermediate_values
    waited = it.step - max(seen for seen, value in values.items() if value == it.best)
    return (
        f"{it.where()}: no better {it.metric} than {it.best:.3f}"
        f" for {waited} epoch{'s' if waited > 1 else ''}"
    )


def _explain_threshold(it: _Pruned) -> str:
    options = it.settings.pruner_options
    low = it.value < options.get("lower", -math.inf)
    value, bar = _apart(it.value, float(options["lower" if low else "upper"]))
    return f"{it.where()}: {it.metric} {value} {'below' if low else 'above'} {bar}"


def _explain_wilcoxon(it: _Pruned) -> str | None:
    best, own = it.study.best_trial, it.trial.intermediate_values
    folds = [one for one in own if one in best.intermediate_values]
    mine = [own[fold] for fold in folds]
    theirs = [best.intermediate_values[fold] for fold in folds]
    worse = sum(a < b if it.maximizes else a > b for a, b in zip(mine, theirs, strict=True))
    value, bar = _apart(statistics.fmean(mine), statistics.fmean(theirs))
    lost = statistics.fmean(mine) < statistics.fmean(theirs)
    if lost != it.maximizes or value == bar:
        return None  # the test goes by ranks; trials are compared by means
    return (
        f"wilcoxon pruner after {len(folds)} folds: mean {it.metric} {value} {it.side} {bar},"
        f" trial {best.number}'s on the same folds, and worse on {worse} of them"
    )


PRUNERS = {
    "none": Pruner(pruners.NopPruner, lambda settings, epochs: {}, lambda it: None),
    "median": Pruner(pruners.MedianPruner, _waiting, _explain_median),
    "percentile": Pruner(
        pruners.PercentilePruner,
        lambda settings, epochs: {"percentile": 25.0} | _waiting(settings, epochs),
        _explain_percentile,
    ),
    "successive_halving": Pruner(pruners.SuccessiveHalvingPruner, _rungs, _explain_rung),
    "hyperband": Pruner(pruners.HyperbandPruner, _brackets, _explain_rung),
    "patience": Pruner(pruners.PatientPruner, _patience, _explain_patience),
    "threshold": Pruner(pruners.ThresholdPruner, lambda settings, epochs: {}, _explain_threshold),
    "wilcoxon": Pruner(
        pruners.WilcoxonPruner,
        lambda settings, epochs: {"p_threshold": WILCOXON_P},
        _explain_wilcoxon,
    ),
}


def _complete(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def _trials(count: int) -> str:
    return f"{count} trial{'s' if count > 1 else ''}"


def _apart(value: float, bar: float) -> tuple[str, str]:
    """Write two different numbers with as many digits, at least 3, as tell them apart."""
    digits = 3
    while f"{value:.{digits}f}" == f"{bar:.{digits}f}" and value != bar:
        digits += 1
    return f"{value:.{digits}f}", f"{bar:.{digits}f}"
