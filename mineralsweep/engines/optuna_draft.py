"""Drawing a trial, and judging one, in a copy of the study that is thrown away.

Optuna's samplers and pruners write into the study while they work: a trial's parameters one after
the other, rungs, generations. A driver killed in between leaves half of it. In a copy, where the
trial in question is blank, the same question has the same answer however often it is asked.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from mineralsweep.config import Entry, Space
from mineralsweep.core.hyperparameter import Params, Value

SHARED_DRAWS = "relative_params"
"""Part of the names under which samplers share a draw before it is stored; here it is stored."""


def draw(
    study: optuna.Study,
    number: int,
    sampler: BaseSampler,
    space: Space,
    known: Params,
    learned: Sequence[FrozenTrial] = (),
) -> tuple[Params, dict[str, Any]]:
    """Return what a sampler proposes for a trial, and what it wants kept with that trial.

    Args:
        study: what was told so far; not changed.
        number: of the trial. Whatever the study knows of it is not looked at.
        sampler: a new one. What it draws must follow from its seed and the study.
        space: what is asked for.
        known: the parameters that were stored before the driver died; they stay. All are drawn
            once more all the same, so that the others are drawn as they would have been.
        learned: complete trials of another study, which the sampler sees as well.
    """

    def choose(name: str, entry: Entry) -> Value:
        drawn = _suggest(trial, name, space)
        return known.get(name, drawn)

    drafted = _copy(study, number, create_trial(state=TrialState.RUNNING), sampler)
    drafted.add_trials(learned)
    trial = Trial(drafted, _trial_id(drafted, number))
    params = space.propose(choose)
    attributes = drafted.get_trials(deepcopy=False)[number].system_attrs
    return params, {key: item for key, item in attributes.items() if SHARED_DRAWS not in key}


def judge(
    study: optuna.Study, number: int, values: Mapping[int, float]
) -> tuple[bool, optuna.Study, dict[str, Any]]:
    """Ask the study's pruner about a trial, as if it had run once, with these values.

    Args:
        study: what was told so far; not changed.
        number: of the trial; it runs.
        values: epoch -> value, up to the epoch that is judged.

    Returns:
        Whether to end the trial; the copy in which that was found, where the trial has these
        values alone; and what the pruner wants kept with the trial.
    """
    blank = copy.copy(study.get_trials(deepcopy=False)[number])
    blank.intermediate_values, blank.system_attrs = {}, {}
    drafted = _copy(study, number, blank, study.sampler)
    trial = Trial(drafted, _trial_id(drafted, number))
    prune = False
    for epoch in sorted(values):
        trial.report(values[epoch], epoch)
        prune = trial.should_prune()  # of the last epoch it is wanted; of those before, the rungs
    return prune, drafted, drafted.get_trials(deepcopy=False)[number].system_attrs


def _copy(
    study: optuna.Study, number: int, trial: FrozenTrial, sampler: BaseSampler
) -> optuna.Study:
    """Return a study in memory with the same trials, but for `trial` as the one of that number."""
    storage = InMemoryStorage()
    drafted = optuna.create_study(
        storage=storage,
        study_name=study.study_name,  # hyperband's brackets depend on it
        direction=study.direction,
        sampler=sampler,
        pruner=study.pruner,
    )
    study_id = storage.get_study_id_from_name(study.study_name)
    for known in study.get_trials(deepcopy=False):
        template = copy.copy(trial if known.number == number else known)
        template.user_attrs = {}
        storage.create_new_trial(study_id, template_trial=template)
    return drafted


def _trial_id(study: optuna.Study, number: int) -> int:
    return study.get_trials(deepcopy=False)[number]._trial_id


def _suggest(trial: Trial, name: str, space: Space) -> Value:
    asked = space.distribution(name)
    if isinstance(asked, CategoricalDistribution):
        chosen = trial.suggest_categorical(name, asked.choices)
        assert chosen is not None  # no entry has it among its choices
        return chosen
    if isinstance(asked, IntDistribution):
        return trial.suggest_int(name, asked.low, asked.high, step=asked.step, log=asked.log)
    return trial.suggest_float(name, asked.low, asked.high, step=asked.step, log=asked.log)
