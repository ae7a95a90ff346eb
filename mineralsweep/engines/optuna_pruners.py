"""Optuna's pruners by the names of sweep files, and why one of them ended a trial.

A reason names the step, the value and what it was compared with. Steps count from 1.
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
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mineralsweep.config import Engine

REDUCTION_FACTOR = 3
"""One trial in three passes a rung; Li et al., arXiv:1603.06560, advise 3 or 4."""

RUNGS = 3
"""At a ninth, a third and the whole of a trial's epochs; the last one prunes nothing."""

WILCOXON_P = 0.2
"""A trial that lost its first 3 folds to the best one has p = 1/8, after 4 folds 1/16. Optuna's 0.1
would wait for the fourth of 5 folds, and save one; this one saves two. The test is repeated after
each fold, so that it is no error rate: a pruner's mistake costs a trial, not a claim."""

SPAN: int = REDUCTION_FACTOR ** (RUNGS - 1)
"""Epochs of the last rung, as a multiple of the first one's."""


@dataclass(frozen=True)
class Pruner:
    """A pruner that a sweep file can name.

    Attributes:
        build: (the sweep's engine settings, epochs of a trial) -> the pruner.
        explain: what happened -> why the trial was pruned, in words; None where it is to be
            spared.
    """

    build: Callable[[Engine, int], BasePruner]
    explain: Callable[[_Pruned], str | None]


@dataclass(frozen=True)
class _Pruned:
    """A trial that a pruner has just stopped, at its last step; `metric` names what it compared."""

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


def _build_none(settings: Engine, epochs: int) -> BasePruner:
    return NopPruner()


def _build_median(settings: Engine, epochs: int) -> BasePruner:
    return MedianPruner(**_waiting(settings, epochs) | settings.pruner_options)


def _build_percentile(settings: Engine, epochs: int) -> BasePruner:
    ours: dict[str, Any] = {"percentile": 25.0, **_waiting(settings, epochs)}
    return PercentilePruner(**ours | settings.pruner_options)


def _waiting(settings: Engine, epochs: int) -> dict[str, Any]:
    """Say when a pruner that compares with earlier trials begins."""
    return {"n_startup_trials": settings.startup_trials, "n_warmup_steps": max(1, epochs // 4)}


def _build_successive_halving(settings: Engine, epochs: int) -> BasePruner:
    ours: dict[str, Any] = {
        "min_resource": first_rung(epochs),
        "reduction_factor": REDUCTION_FACTOR,
    }
    return SuccessiveHalvingPruner(**ours | settings.pruner_options)


def _build_hyperband(settings: Engine, epochs: int) -> BasePruner:
    # Optuna takes the number of brackets from the ratio of both resources. The epochs of the last
    # rung, not of a trial, make it RUNGS for any budget; the last bracket prunes nothing.
    first = first_rung(epochs)
    ours: dict[str, Any] = {
        "min_resource": first,
        "max_resource": first * SPAN,
        "reduction_factor": REDUCTION_FACTOR,
    }
    return HyperbandPruner(**ours | settings.pruner_options)


def _build_patience(settings: Engine, epochs: int) -> BasePruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Optuna waits one epoch more than it is told; here it counts as `budget.patience` does.
        waits = settings.pruner_patience - 1
        return PatientPruner(None, patience=waits, **settings.pruner_options)


def _build_threshold(settings: Engine, epochs: int) -> BasePruner:
    return ThresholdPruner(**settings.pruner_options)


def _build_wilcoxon(settings: Engine, epochs: int) -> BasePruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        ours: dict[str, Any] = {"p_threshold": WILCOXON_P}
        return WilcoxonPruner(**ours | settings.pruner_options)


def _explain_none(it: _Pruned) -> str:
    raise AssertionError(f"trial {it.trial.number}: was pruned without a pruner")


def _explain_median(it: _Pruned) -> str:
    others = it.others()
    value, bar = _apart(it.best, statistics.median(others))
    if it.value != it.best:
        value += " at best"
    return (
        f"median pruner at epoch {it.step}: {it.metric} {value} {it.side} {bar},"
        f" the median of {_trials(others)}"
    )


def _explain_percentile(it: _Pruned) -> str:
    others, share = it.others(), float(it.settings.pruner_options.get("percentile", 25.0))
    rank = 100 - share if it.maximizes else share
    value, bar = _apart(it.best, float(np.percentile(others, rank)))
    return (
        f"percentile pruner at epoch {it.step}: {it.metric} {value} at best {it.side} {bar},"
        f" the best {share:g} % of {_trials(others)}"
    )


def _explain_rung(it: _Pruned) -> str:
    factor = it.settings.pruner_options.get("reduction_factor", REDUCTION_FACTOR)
    return (
        f"{it.settings.pruner} pruner at epoch {it.step}: {it.metric} {it.value:.3f} is not among"
        f" the best 1/{factor} of the trials that reached this rung"
    )


def _explain_patience(it: _Pruned) -> str:
    values = it.trial.intermediate_values
    waited = it.step - max(seen for seen, value in values.items() if value == it.best)
    return (
        f"patience pruner at epoch {it.step}: no better {it.metric} than {it.best:.3f}"
        f" for {waited} epoch{'s' if waited > 1 else ''}"
    )


def _explain_threshold(it: _Pruned) -> str:
    options = it.settings.pruner_options
    low = it.value < options.get("lower", -math.inf)
    bar = float(options["lower" if low else "upper"])
    shown, limit = _apart(it.value, bar)
    side = "below" if low else "above"
    return f"threshold pruner at epoch {it.step}: {it.metric} {shown} {side} {limit}"


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
    "none": Pruner(_build_none, _explain_none),
    "median": Pruner(_build_median, _explain_median),
    "percentile": Pruner(_build_percentile, _explain_percentile),
    "successive_halving": Pruner(_build_successive_halving, _explain_rung),
    "hyperband": Pruner(_build_hyperband, _explain_rung),
    "patience": Pruner(_build_patience, _explain_patience),
    "threshold": Pruner(_build_threshold, _explain_threshold),
    "wilcoxon": Pruner(_build_wilcoxon, _explain_wilcoxon),
}


def _complete(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def _trials(values: list[float]) -> str:
    return f"{len(values)} trial{'s' if len(values) > 1 else ''}"


def _apart(value: float, bar: float) -> tuple[str, str]:
    """Write two different numbers with as many digits, at least 3, as tell them apart."""
    digits = 3
    while f"{value:.{digits}f}" == f"{bar:.{digits}f}" and value != bar:
        digits += 1
    return f"{value:.{digits}f}", f"{bar:.{digits}f}"
