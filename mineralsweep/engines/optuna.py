"""Optuna as an engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from mineralsweep import files
from mineralsweep.config import Sweep
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines.engine import Proposal, driver_id
from mineralsweep.engines.fingerprint import check
from mineralsweep.engines.optuna_draft import draw, judge
from mineralsweep.engines.optuna_plots import DIRECTIONS, ENDS
from mineralsweep.engines.optuna_pruners import PRUNERS, explain
from mineralsweep.engines.optuna_samplers import sampler
from mineralsweep.errors import ConfigError, StudyConflict

OTHER_ENGINE = "keras-tuner.json"
DRIVER = "mineralsweep.driver"
RECORD = "mineralsweep.record"
FINGERPRINT = "mineralsweep.fingerprint"
NOTE = "mineralsweep.note."
LEARNED = "mineralsweep.learned"
AGAIN = "mineralsweep.record."
"""With a number: the study's attribute for a trial that was run again after it had ended."""
JOURNAL = "optuna.journal"


class OptunaEngine:
    """A study in Optuna's storage; see `Engine` for the contract.

    Args:
        sweep: the space, the sampler, the pruner and the objective.
        study: the study's name; it is made, or taken up where it was.
        folder: the study's own; holds Optuna's journal unless `storage` is given.
        storage: the URL of a database for Optuna, such as postgresql://..., or one of Optuna's
            storages, open already; None: a journal.
        fingerprint: what may not change while the study lives, by name.
        driver: who asks; None makes an id.
        is_dead: whether a driver is dead, by its id ("": a trial without one); None: every
            driver but this one is.
        leads: whether this driver is the one, of several that share the storage, which takes up
            the trials of dead ones; None: the storage is not shared.

    Raises:
        StudyConflict: the study exists with another fingerprint (the message names what changed),
            or under the other engine.
        ConfigError: the storage can't be opened.
    """

    name = "optuna"

    def __init__(
        self,
        sweep: Sweep,
        study: str,
        folder: Path,
        storage: str | BaseStorage | None = None,
        fingerprint: Mapping[str, str] | None = None,
        driver: str | None = None,
        is_dead: Callable[[str], bool] | None = None,
        leads: Callable[[], bool] | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep = sweep
        self._metric = sweep.metric()
        self._pruner_name = sweep.engine.pruner
        self._driver = driver or driver_id()
        self._shares = leads is not None
        self._leads = leads or (lambda: True)
        self._is_dead = is_dead or (lambda driver: True)
        if (folder / OTHER_ENGINE).exists():
            raise StudyConflict(
                f"study '{study}' was begun with --engine keras-tuner; go on with it, or take a"
                " new name: --study NAME"
            )
        if storage is None:
            _cut_to_whole_lines(folder / JOURNAL)
        self._storage = open_storage(storage, folder)
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=study,
            load_if_exists=True,
            direction=DIRECTIONS[sweep.objective],
            sampler=optuna.samplers.RandomSampler(),  # a proposal is drawn by a sampler of its own
            pruner=PRUNERS[sweep.engine.pruner].build(sweep.engine, sweep.budget.epochs),
        )
        self._live: dict[int, Trial] = {}
        self._reported: dict[int, set[int]] = {}
        self._earlier: dict[int, set[int]] = {}
        self._reopened: dict[int, TrialRecord] = {}
        self._check_fingerprint(dict(fingerprint or {}))
        self._end_recorded()
        self._finite = sweep.engine.sampler == "grid"
        self._points = sweep.first_points()
        if self._finite:
            self._points = sweep.space.grid(self._points)

    def ask(self) -> Proposal | None:
        for number, earlier in self._reopened.items():
            if number not in self._reported:
                self._reported[number] = set()
                return Proposal(number, earlier.params)
        lost = self._lost()
        if lost:
            trial = self._adopt(lost[0])
        elif self._finite and self._place(len(self._trials())) >= len(self._points):
            return None
        else:
            trial = self._begin()
            if self._shares and self._is_surplus(trial.number):
                self._give_back(trial)
                return None
        self._live[trial.number] = trial
        return Proposal(trial.number, self._fill_in(trial))

    def report(self, number: int, epoch: int, value: float) -> str | None:
        if number in self._reopened:
            return self._stopped_before(number, epoch)
        trial = self._live[number]
        reported = self._reported.setdefault(number, set())
        if epoch in reported:
            return None  # a trial that is tried again is judged from where its first try ended
        reported.add(epoch)
        try:
            if epoch in self._earlier.get(number, ()):
                return self._judge_again(trial, epoch, value)
            trial.report(value, epoch)
        except optuna.exceptions.UpdateFinishedTrialError:
            return "another driver took the trial up, and has ended it"
        if not trial.should_prune():
            return None
        return explain(self._pruner_name, self._study, number, self._metric)

    def tell(self, record: TrialRecord) -> None:
        number = record.number
        if number in self._reopened:
            if record.state != "FAILED":  # an ended trial can't be changed in the storage
                self._study.set_user_attr(f"{AGAIN}{number}", json.dumps(record.to_dict()))
            del self._reopened[number]
            self._reported.pop(number, None)
            return
        if self._study.get_trials(deepcopy=False)[number].state.is_finished():
            return
        for kept in (self._live, self._reported, self._earlier):
            kept.pop(number, None)
        # The record first: with it, a driver killed in between can be completed.
        self._storage.set_trial_user_attr(self._trial_id(number), RECORD, record.to_dict())
        self._end(record)

    def records(self) -> list[TrialRecord]:
        ended = [trial for trial in self._trials() if trial.state.is_finished()]
        found = map(TrialRecord.from_dict, _records(ended, self._study.user_attrs))
        return [record for record in found if record.number not in self._reopened]

    def taken(self) -> int:
        given_back = sum(map(_is_given_back, self._trials()))
        wanted = self._reopened.keys() - self._reported.keys()
        return len(self._trials()) - given_back - len(self._lost()) - len(wanted)

    def reopen(self, numbers: Iterable[int]) -> None:
        known = {record.number: record for record in self.records()}
        for number in sorted(numbers):
            self._reopened[number] = known[number]
            self._reported.pop(number, None)  # this driver may have had it, and lost it
            self._live.pop(number, None)

    def owns(self, number: int) -> bool:
        if number in self._reopened:
            return True
        known = self._trials()
        if number >= len(known):
            return False
        trial = known[number]
        driver = trial.user_attrs.get(DRIVER, "")
        mine = driver == self._driver or self._is_dead(driver)
        return mine and not trial.state.is_finished()

    def at_work(self) -> list[int]:
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        known = set(self._live)
        if self._shares:  # a dead driver's is asked for, or not wanted any more
            known |= {trial.number for trial in self._lost()}
        return [trial.number for trial in running if trial.number not in known]

    def learn(self, records: list[TrialRecord]) -> None:
        known = [(record.params, record.value) for record in records]
        self._study.set_user_attr(LEARNED, json.dumps(known))

    def notes(self) -> dict[str, str]:
        attributes = self._study.user_attrs
        return {
            key.removeprefix(NOTE): str(value)
            for key, value in attributes.items()
            if key.startswith(NOTE)
        }

    def set_note(self, key: str, value: str) -> None:
        self._study.set_user_attr(NOTE + key, value)

    def plots(self) -> dict[str, str]:
        from mineralsweep.engines import optuna_plots

        return optuna_plots.draw(self._study, self._metric)

    def _check_fingerprint(self, fingerprint: dict[str, str]) -> None:
        saved = self._study.user_attrs.get(FINGERPRINT)
        if saved is None:
            self._study.set_user_attr(FINGERPRINT, json.dumps(fingerprint))
            return
        check(self._study.study_name, json.loads(saved), fingerprint)

    def _end_recorded(self) -> None:
        """End the trials that a driver was telling when it died."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if RECORD in trial.user_attrs:
                self._end(TrialRecord.from_dict(trial.user_attrs[RECORD]))

    def _end(self, record: TrialRecord) -> None:
        value = record.value if record.state == "COMPLETE" else None
        self._study.tell(record.number, value, state=ENDS[record.state], skip_if_finished=True)

    def _lost(self) -> list[FrozenTrial]:
        """Return the running trials that this driver is to take up, by number."""
        if not self._leads():
            return []
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if self._is_lost(trial)]

    def _is_lost(self, trial: FrozenTrial) -> bool:
        driver = trial.user_attrs.get(DRIVER, "")
        return driver != self._driver and self._is_dead(driver)

    def _adopt(self, lost: FrozenTrial) -> Trial:
        self._storage.set_trial_user_attr(self._trial_id(lost.number), DRIVER, self._driver)
        self._earlier[lost.number] = set(lost.intermediate_values)
        return Trial(self._study, self._trial_id(lost.number))

    def _begin(self) -> Trial:
        # Made with its driver in one step: there is never a running trial that is nobody's.
        template = create_trial(state=TrialState.RUNNING, user_attrs={DRIVER: self._driver})
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        trial_id = self._storage.create_new_trial(study_id, template_trial=template)
        return Trial(self._study, trial_id)

    def _is_surplus(self, number: int) -> bool:
        """Say whether another driver was faster, and took the last trial of the budget."""
        before = [trial for trial in self._trials()[:number] if not _is_given_back(trial)]
        return len(before) >= self._sweep.budget.trials or (
            self._finite and len(before) >= len(self._points)
        )

    def _give_back(self, trial: Trial) -> None:
        self._study.tell(trial.number, state=TrialState.FAIL)

    def _place(self, number: int) -> int:
        """Return how many trials before this number were not given back."""
        return number - sum(map(_is_given_back, self._trials()[:number]))

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _fill_in(self, trial: Trial) -> Params:
        """Return a trial's parameters, and have the storage know those that it doesn't yet."""
        known = trial.params
        params, attributes = self._draw(trial.number, known)
        trial_id = self._trial_id(trial.number)
        for key, item in attributes.items():
            self._storage.set_trial_system_attr(trial_id, key, item)
        space = self._sweep.space
        for name, value in params.items():
            if name not in known and name in space.searched():
                asked: BaseDistribution = space.distribution(name)
                stored = asked.to_internal_repr(value)
                self._storage.set_trial_param(trial_id, name, stored, asked)
        return params

    def _draw(self, number: int, known: Params) -> tuple[Params, dict[str, Any]]:
        place = self._place(number)
        given = self._points[place] if place < len(self._points) else {}
        if self._finite and given:
            return given, {}
        new = sampler(self._sweep, number)
        known = {**given, **known}
        return draw(self._study, number, new, self._sweep.space, known, self._learned())

    def _learned(self) -> list[FrozenTrial]:
        """Return another study's trials, to be drawn after; they stay out of this one's."""
        space, found = self._sweep.space, []
        for params, value in json.loads(self._study.user_attrs.get(LEARNED, "[]")):
            asked = {name: one for name, one in params.items() if name in space.searched()}
            among: dict[str, BaseDistribution] = {name: space.distribution(name) for name in asked}
            found.append(create_trial(params=asked, distributions=among, value=value))
        return found

    def _judge_again(self, trial: Trial, epoch: int, value: float) -> str | None:
        """Judge an epoch that an earlier driver had reported, as if it had not."""
        trial_id = self._trial_id(trial.number)
        self._storage.set_trial_intermediate_value(trial_id, epoch, value)
        seen = self._storage.get_trial(trial_id).intermediate_values
        if self._sweep.folds > 1:  # they come in any order
            values = {fold: seen[fold] for fold in self._reported[trial.number]}
        else:
            values = {step: known for step, known in seen.items() if step <= epoch}
        prune, judged, attributes = judge(self._study, trial.number, values)
        for key, kept in attributes.items():
            self._storage.set_trial_system_attr(trial_id, key, kept)
        return explain(self._pruner_name, judged, trial.number, self._metric) if prune else None

    def _stopped_before(self, number: int, step: int) -> str | None:
        """Stop a reopened trial that had been pruned, once it is as far as it was then."""
        if step in self._reported[number]:  # its worker died; it begins anew
            self._reported[number].clear()
        self._reported[number].add(step)
        earlier = self._reopened[number]
        seen = self._trials()[number].intermediate_values.keys()
        ended = earlier.state == "PRUNED" and self._reported[number] >= seen
        return earlier.reason if ended else None

    def _trial_id(self, number: int) -> int:
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return self._storage.get_trial_id_from_study_id_trial_number(study_id, number)


def kept_records(study: str, folder: Path, storage: str | None) -> list[dict[str, Any]]:
    """Return the records of a study that is only read, as plain data, by number.

    Raises:
        ConfigError: the storage can't be opened.
        KeyError: it has no such study.
    """
    opened = open_storage(storage, folder)
    study_id = opened.get_study_id_from_name(study)
    trials = opened.get_all_trials(study_id, deepcopy=False)
    return _records(trials, opened.get_study_user_attrs(study_id))


def _records(trials: Iterable[FrozenTrial], attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials' records as plain data, those told last for the ones run again."""
    again = {
        int(key.removeprefix(AGAIN)): json.loads(text)
        for key, text in attributes.items()
        if key.startswith(AGAIN)
    }
    return [
        again.get(trial.number, trial.user_attrs[RECORD])
        for trial in trials
        if RECORD in trial.user_attrs
    ]


def _is_given_back(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and RECORD not in trial.user_attrs


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
        return JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
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

    for pause in (1.0, 3.0):
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except (IntegrityError, ProgrammingError):
            time.sleep(pause)
    return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
