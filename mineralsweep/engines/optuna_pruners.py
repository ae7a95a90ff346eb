"""Optuna's pruners by the names of sweep files, and why one of them ended a trial.

A reason is worked out from what the pruner itself compared. Epochs, rungs and brackets count
from 1 in it; Optuna counts rungs and brackets from 0.
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
        explain: (study, pruned trial, name of its metric) -> why it was pruned, in words; None
            where it is to be spared.
    """

    build: Callable[[Engine, int], BasePruner]
    explain: Callable[[optuna.Study, FrozenTrial, str], str | None]


def explain(pruner: str, study: optuna.Study, number: int, metric: str) -> str | None:
    """Say why the named pruner ends a trial, right after it did; None for a trial it must spare.

    Until a trial has completed, the one that runs the longest is spared: a study without a
    complete trial has no champion, however good its pruned trials were.
    """
    trials = study.get_trials(deepcopy=False)
    running = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
    if number == min(running) and not _complete(trials):
        return None
    return PRUNERS[pruner].explain(study, trials[number], metric)


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


def _explain_none(study: optuna.Study, trial: FrozenTrial, metric: str) -> str:
    raise AssertionError(f"trial {trial.number}: was pruned without a pruner")


def _explain_median(study: optuna.Study, trial: FrozenTrial, metric: str) -> str:
    epoch = _last_epoch(trial)
    others = [
        other.intermediate_values[epoch]
        for other in _complete(study.get_trials(deepcopy=False))
        if epoch in other.intermediate_values
    ]
    best = _best(study, trial)
    value, bar = _apart(best, statistics.median(others))
    if trial.intermediate_values[epoch] != best:
        value += " at best"
    return (
        f"median pruner at epoch {epoch}: {metric} {value} {_side(study)} {bar},"
        f" the median of {len(others)} trial{'s' if len(others) > 1 else ''}"
    )


def _explain_percentile(study: optuna.Study, trial: FrozenTrial, metric: str) -> str:
    pruner = study.pruner
    assert isinstance(pruner, PercentilePruner)
    epoch, share = _last_epoch(trial), pruner._percentile
    others = [
        other.intermediate_values[epoch]
        for other in _complete(study.get_trials(deepcopy=False))
        if epoch in other.intermediate_values
    ]
    rank = 100 - share if study.direction == StudyDirection.MAXIMIZE else share
    value, bar = _apart(_best(study, trial), float(np.percentile(others, rank)))
    return (
        f"percentile pruner at epoch {epoch}: {metric} {value} at best {_side(study)} {bar},"
        f" the best {share:g} % of {len(others)} trial{'s' if len(others) > 1 else ''}"
    )


def _explain_successive_halving(study: optuna.Study, trial: FrozenTrial, metric: str) -> str:
    rivals = study.get_trials(deepcopy=False)
    return f"successive halving, {_lost_rung(study, trial, rivals, metric)}"


def _explain_hyperband(study: optuna.Study, trial: FrozenTrial, metric: str) -> str:
    bracket = _bracket(study, trial)
    rivals = [
        other for other in study.get_trials(deepcopy=False) if _bracket(study, other) == bracket
    ]
    return f"hyperband, bracket {bracket + 1}, {_lost_rung(study, trial, rivals, metric)}"


def _explain_patience(study: optuna.Study, trial: FrozenTrial, metric: str) -> str:
    epoch, best = _last_epoch(trial), _best(study, trial)
    since = max(seen for seen, value in trial.intermediate_values.items() if value == best)
    waited = epoch - since
    return (
        f"patience pruner at epoch {epoch}: no better {metric} than {best:.3f}"
        f" for {waited} epoch{'s' if waited > 1 else ''}"
    )


def _explain_threshold(study: optuna.Study, trial: FrozenTrial, metric: str) -> str:
    pruner = study.pruner
    assert isinstance(pruner, ThresholdPruner)
    epoch = _last_epoch(trial)
    value = trial.intermediate_values[epoch]
    low = value < pruner._lower
    shown, bar = _apart(value, pruner._lower if low else pruner._upper)
    side = "below" if low else "above"
    return f"threshold pruner at epoch {epoch}: {metric} {shown} {side} {bar}"


def _explain_wilcoxon(study: optuna.Study, trial: FrozenTrial, metric: str) -> str | None:
    best = study.best_trial
    folds = [one for one in trial.intermediate_values if one in best.intermediate_values]
    mine = [trial.intermediate_values[fold] for fold in folds]
    theirs = [best.intermediate_values[fold] for fold in folds]
    maximize = study.direction == StudyDirection.MAXIMIZE
    worse = sum(a < b if maximize else a > b for a, b in zip(mine, theirs, strict=True))
    value, bar = _apart(statistics.fmean(mine), statistics.fmean(theirs))
    lost = statistics.fmean(mine) < statistics.fmean(theirs)
    if lost != maximize or value == bar:
        return None  # the test goes by ranks; trials are compared by means
    return (
        f"wilcoxon pruner after {len(folds)} folds: mean {metric} {value} {_side(study)} {bar},"
        f" trial {best.number}'s on the same folds, and worse on {worse} of them"
    )


PRUNERS = {
    "none": Pruner(_build_none, _explain_none),
    "median": Pruner(_build_median, _explain_median),
    "percentile": Pruner(_build_percentile, _explain_percentile),
    "successive_halving": Pruner(_build_successive_halving, _explain_successive_halving),
    "hyperband": Pruner(_build_hyperband, _explain_hyperband),
    "patience": Pruner(_build_patience, _explain_patience),
    "threshold": Pruner(_build_threshold, _explain_threshold),
    "wilcoxon": Pruner(_build_wilcoxon, _explain_wilcoxon),
}


def _lost_rung(
    study: optuna.Study, trial: FrozenTrial, rivals: list[FrozenTrial], metric: str
) -> str:
    """Say where a trial was stopped, and the worst value that would have passed."""
    rung = 0
    while _rung_key(rung + 1) in trial.system_attrs:
        rung += 1
    reached = [
        rival.system_attrs[_rung_key(rung)]
        for rival in rivals
        if _rung_key(rung) in rival.system_attrs
    ]
    reached.sort(reverse=study.direction == StudyDirection.MAXIMIZE)
    assert isinstance(study.pruner, SuccessiveHalvingPruner | HyperbandPruner)
    passing = max(1, len(reached) // study.pruner._reduction_factor)
    value, bar = _apart(trial.system_attrs[_rung_key(rung)], reached[passing - 1])
    where = f"rung {rung + 1} (epoch {_last_epoch(trial)})"
    return f"{where}: {metric} {value} {_side(study)} {bar}"


def _rung_key(rung: int) -> str:
    """Return where Optuna keeps a trial's value at a rung, counted from 0."""
    return f"completed_rung_{rung}"


def _bracket(study: optuna.Study, trial: FrozenTrial) -> int:
    """Return a trial's bracket, counted from 0; Optuna's rule for it has no public name."""
    assert isinstance(study.pruner, HyperbandPruner)
    return study.pruner._get_bracket_id(study, trial)


def _complete(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def _last_epoch(trial: FrozenTrial) -> int:
    return max(trial.intermediate_values)


def _best(study: optuna.Study, trial: FrozenTrial) -> float:
    choose = max if study.direction == StudyDirection.MAXIMIZE else min
    return choose(trial.intermediate_values.values())


def _side(study: optuna.Study) -> str:
    """Return where a worse value lies."""
    return "below" if study.direction == StudyDirection.MAXIMIZE else "above"


def _apart(value: float, bar: float) -> tuple[str, str]:
    """Write two different numbers with as many digits, at least 3, as tell them apart."""
    digits = 3
    while f"{value:.{digits}f}" == f"{bar:.{digits}f}" and value != bar:
        digits += 1
    return f"{value:.{digits}f}", f"{bar:.{digits}f}"
