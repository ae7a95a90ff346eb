"""How much each setting mattered, by both of Optuna's evaluators, whatever engine searched."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna import importance
from optuna.distributions import BaseDistribution

from mineralsweep.config import Sweep
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import TrialRecord

PED_ANOVA = "PED-ANOVA: which settings tell the best trials from the rest"
FANOVA = "fANOVA: which settings explain the spread over all trials"


def importances(records: Sequence[TrialRecord], sweep: Sweep) -> dict[str, dict[str, float]]:
    """Return evaluator -> setting -> share of the importance, largest first; shares add up to 1.

    PED-ANOVA: Watanabe, Bansal & Hutter 2023, arXiv:2304.10255. fANOVA: Hutter, Hoos &
    Leyton-Brown 2014. They answer different questions and may disagree.

    Raises:
        ValueError: there are too few complete trials, or nothing was varied.
    """
    study = _study(records, sweep)
    evaluators: dict[str, importance.BaseImportanceEvaluator] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both are marked as experimental
        evaluators[PED_ANOVA] = importance.PedAnovaImportanceEvaluator()
        evaluators[FANOVA] = importance.FanovaImportanceEvaluator(seed=0)
        return {
            title: importance.get_param_importances(study, evaluator=one)
            for title, one in evaluators.items()
        }


def _study(records: Sequence[TrialRecord], sweep: Sweep) -> optuna.Study:
    space = sweep.space
    searched: dict[str, BaseDistribution] = {
        name: space.distribution(name) for name in space.searched()
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=objectives.get(sweep.objective).direction)
    for record in records:
        if record.state != "COMPLETE" or record.value is None:
            continue
        own = {name: value for name, value in record.params.items() if name in searched}
        study.add_trial(
            optuna.trial.create_trial(
                params=own, distributions={name: searched[name] for name in own}, value=record.value
            )
        )
    if len(study.trials) < 2:
        raise ValueError("too few complete trials to tell which settings matter")
    return study
