"""Optuna as an engine."""

from __future__ import annotations

import copy
import json
import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
import tenacity
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from mineralsweep import files
from mineralsweep.config import Entry, Sweep
from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Params, Value
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines.engine import Proposal, proposal_seed
from mineralsweep.engines.optuna_options import PRUNERS, ask_for, explain, sampler
from mineralsweep.errors import ConfigError

RECORD = "mineralsweep.record"
LEARNED = "mineralsweep.learned"
JOURNAL = "optuna.journal"
MINIMIZE: Literal["minimize"] = "minimize"
ENDS = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAILED": TrialState.FAIL}


class OptunaEngine:
    """A study in Optuna's storage; see `Engine` for the contract.

    A trial is drawn in a copy of the study and written in one step, with all its parameters: a
    driver that is killed leaves a whole trial or none. What is drawn follows from the sweep's
    seed, the trial's number, and what was told before.

    Args:
        sweep: the space, the sampler, the pruner and the objective.
        study: the study's name; it is made, or opened where it was.
        folder: the study's own; holds Optuna's journal unless `storage` is given.
        storage: the URL of a database for Optuna, such as postgresql://..., or one of Optuna's
            storages, open already; None: a journal.

    Raises:
        ConfigError: the storage can't be opened.
    """

    name = "optuna"

    def __init__(
        self, sweep: Sweep, study: str, folder: Path, storage: str | BaseStorage | None = None
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep = sweep
        self._objective = objectives.get(sweep.objective)
        if storage is None:
            _cut_to_whole_lines(folder / JOURNAL)
        self._storage = open_storage(storage, folder)
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=study,
            load_if_exists=True,
            directions=[self._objective.direction, *(MINIMIZE for _ in sweep.costs)],
            sampler=optuna.samplers.RandomSampler(),  # a proposal is drawn by a sampler of its own
            pruner=PRUNERS[sweep.engine.pruner].build(sweep.engine, sweep.budget.epochs),
        )
        if sweep.costs:
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
                self._study.set_metric_names(list(sweep.objectives))
        self._live: dict[int, Trial] = {}
        self._end_recorded()
        self._lost = [trial.number for trial in self._trials() if not trial.state.is_finished()]
        self._is_grid = sweep.engine.sampler == "grid"
        self._points = sweep.first_points()
        self._combinations = sweep.space.combinations()
        if self._is_grid:
            self._points = sweep.space.grid(self._points)

    def ask(self) -> Proposal | None:
        if self._lost:
            number = self._lost.pop(0)
            params = self._params(self._trials()[number])
        else:
            number = len(self._trials())
            drawn = self._draw(number)
            if drawn is None:
                return None
            params = self._begin(*drawn)
        self._live[number] = Trial(self._study, self._trial_id(number))
        return Proposal(number, params)

    def report(self, number: int, step: int, value: float) -> str | None:
        if self._sweep.costs:  # Optuna prunes by one value
            return None
        trial = self._live[number]
        if step in self._trials()[number].intermediate_values:
            return None
        trial.report(value, step)
        if not trial.should_prune():
            return None
        return explain(self._sweep.engine, self._study, number, self._objective.metric)

    def tell(self, record: TrialRecord) -> None:
        if self._trials()[record.number].state.is_finished():
            return
        self._live.pop(record.number, None)
        self._lost = [number for number in self._lost if number != record.number]
        # The record first: with it, a driver killed in between can be completed.
        trial_id = self._trial_id(record.number)
        self._storage.set_trial_user_attr(trial_id, RECORD, record.to_dict())
        self._end(record)

    def records(self) -> list[TrialRecord]:
        return _records(self._trials())

    def learn(self, records: Sequence[TrialRecord]) -> None:
        known = [(record.params, self._values(record)) for record in records]
        self._study.set_user_attr(LEARNED, json.dumps(known))

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _trial_id(self, number: int) -> int:
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return self._storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def _end_recorded(self) -> None:
        """End the trials that a driver was telling when it died."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if RECORD in trial.user_attrs:
                self._end(TrialRecord.from_dict(trial.user_attrs[RECORD]))

    def _end(self, record: TrialRecord) -> None:
        values = self._values(record) if record.state == "COMPLETE" else None
        self._study.tell(record.number, values, state=ENDS[record.state], skip_if_finished=True)

    def _values(self, record: TrialRecord) -> list[float]:
        """Return a complete trial's objective and costs."""
        assert record.value is not None
        return [record.value, *(record.measures[name] for name in self._sweep.costs)]

    def _params(self, trial: FrozenTrial) -> Params:
        """Return a trial's parameters, the constants of the space included."""
        return self._sweep.space.propose(lambda name, _: trial.params[name])

    def _begin(self, params: Params, attributes: dict[str, Any]) -> Params:
        """Write a trial with all its parameters; return them."""
        template = create_trial(
            state=TrialState.RUNNING, **self._stored(params), system_attrs=attributes
        )
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        self._storage.create_new_trial(study_id, template_trial=template)
        return params

    def _draw(self, number: int) -> tuple[Params, dict[str, Any]] | None:
        """Return a new trial's parameters and what its sampler wants kept; None: none is left."""
        given = self._points[number] if number < len(self._points) else {}
        if self._is_grid:
            return (given, {}) if given else None
        params, attributes = self._propose(number, given)
        if self._combinations is None:
            return params, attributes
        before = {_key(self._params(trial)) for trial in self._trials()}
        if _key(params) not in before:
            return params, attributes
        left = [one for one in self._combinations if _key(one) not in before]
        if not left:
            return None
        draw = random.Random(proposal_seed(self._sweep.seed, number))  # noqa: S311
        return draw.choice(left), attributes

    def _propose(self, number: int, given: Params) -> tuple[Params, dict[str, Any]]:
        """Ask the sampler in a copy of the study that is thrown away; what is given stays.

        Samplers write into the study while they work: a killed driver would leave half of it.
        """
        storage = InMemoryStorage()
        draft = _copy(self._study, storage, sampler(self._sweep, number))
        draft.add_trials(self._learned())
        trial = ask_for(draft, storage, number)

        def choose(name: str, entry: Entry) -> Value:
            drawn = _suggest(trial, name, self._sweep.space.distribution(name))
            return given.get(name, drawn)

        params = self._sweep.space.propose(choose)
        attributes = draft.get_trials(deepcopy=False)[trial.number].system_attrs
        return params, {key: item for key, item in attributes.items() if SHARED_DRAWS not in key}

    def _learned(self) -> list[FrozenTrial]:
        """Return another study's trials, to be drawn after; they stay out of this one's."""
        known = json.loads(self._study.user_attrs.get(LEARNED, "[]"))
        return [
            # An earlier release kept the objective's value alone.
            create_trial(**self._stored(params), values=kept if isinstance(kept, list) else [kept])
            for params, kept in known
        ]

    def _stored(self, params: Params) -> dict[str, Any]:
        """Return parameters as Optuna stores them: the searched ones, with their distributions."""
        space = self._sweep.space
        searched = {name: value for name, value in params.items() if name in space.searched()}
        distributions = {name: space.distribution(name) for name in searched}
        return {"params": searched, "distributions": distributions}


def _key(params: Params) -> tuple[tuple[str, Value], ...]:
    """Return what two equal trials have in common, whatever the last bits of their numbers."""
    return tuple(
        (name, round(value, 9) if isinstance(value, float) else value)
        for name, value in params.items()
    )


SHARED_DRAWS = "relative_params"
"""Part of the names under which samplers share a draw before it is stored; here it is stored."""


def _copy(study: optuna.Study, storage: BaseStorage, new: BaseSampler) -> optuna.Study:
    """Return a study in another storage with the same trials, and a sampler."""
    draft = optuna.create_study(
        storage=storage,
        study_name=study.study_name,
        directions=study.directions,
        sampler=new,
        pruner=study.pruner,
    )
    for known in study.get_trials(deepcopy=False):
        template = copy.copy(known)
        template.user_attrs = {}
        draft.add_trial(template)
    return draft


def _suggest(trial: Trial, name: str, asked: BaseDistribution) -> Value:
    if isinstance(asked, CategoricalDistribution):
        chosen = trial.suggest_categorical(name, asked.choices)
        assert chosen is not None  # no entry has it among its choices
        return chosen
    if isinstance(asked, IntDistribution):
        return trial.suggest_int(name, asked.low, asked.high, step=asked.step, log=asked.log)
    assert isinstance(asked, FloatDistribution)
    return trial.suggest_float(name, asked.low, asked.high, step=asked.step, log=asked.log)


def has_study(study: str, storage: str) -> bool:
    """Say whether a database has a study.

    Raises:
        ConfigError: it can't be opened.
    """
    return study in {one.study_name for one in open_storage(storage, Path()).get_all_studies()}


def has_journal(folder: Path) -> bool:
    """Say whether a study's folder holds its journal: another engine's does not."""
    return (folder / JOURNAL).exists()


def copy_of(study: str, folder: Path, storage: str | None) -> optuna.Study:
    """Return a study as it stands, in memory: what is written to it goes nowhere.

    Args:
        study: its name.
        folder: its own, which holds the journal unless there is a database.
        storage: the database's URL; None: the journal.

    Raises:
        ConfigError: the storage can't be opened.
        KeyError: it has no such study.
    """
    memory = InMemoryStorage()
    optuna.copy_study(
        from_study_name=study, from_storage=open_storage(storage, folder), to_storage=memory
    )
    return optuna.load_study(study_name=study, storage=memory)


def stored_records(study: str, folder: Path, storage: str | None) -> list[TrialRecord]:
    """Return the records of a study that is only read, by number.

    Raises:
        ConfigError: the storage can't be opened.
        KeyError: it has no such study.
    """
    opened = open_storage(storage, folder)
    study_id = opened.get_study_id_from_name(study)
    return _records(opened.get_all_trials(study_id, deepcopy=False))


def _records(trials: Sequence[FrozenTrial]) -> list[TrialRecord]:
    return [
        TrialRecord.from_dict(trial.user_attrs[RECORD])
        for trial in trials
        if trial.state.is_finished() and RECORD in trial.user_attrs
    ]


def _cut_to_whole_lines(journal: Path) -> None:
    """Drop the half line that a full disk or a kill left: Optuna would write on behind it.

    For the journal's one writer, who holds the study's lock.
    """
    if not journal.exists():
        return
    with journal.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def open_storage(url: str | BaseStorage | None, folder: Path) -> BaseStorage:
    """Open a database by its URL, or a journal in `folder` without one.

    Raises:
        ConfigError: it can't be opened.
    """
    if isinstance(url, BaseStorage):
        return url
    if url is None:
        folder.mkdir(parents=True, exist_ok=True)
        journal = str(folder / JOURNAL)
        # Optuna's default lock is a symbolic link, which Windows allows administrators alone.
        return JournalStorage(JournalFileBackend(journal, JournalFileOpenLock(journal)))
    try:
        # Two processes that make a new database's tables at once get into each other's way.
        with files.one_at_a_time(url):
            return _open_database(url)
    except Exception as error:  # SQLAlchemy's, the driver's, Optuna's
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"--storage: can't be opened: {reason}") from error


def _open_database(url: str) -> RDBStorage:
    """Open a database; once more where another machine has just made its tables."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((IntegrityError, ProgrammingError)),
        wait=tenacity.wait_fixed(2),
        stop=tenacity.stop_after_attempt(3),
        reraise=True,
    )
    return retrying(RDBStorage, url, engine_kwargs={"pool_pre_ping": True})
