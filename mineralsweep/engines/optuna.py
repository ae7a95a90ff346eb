"""Optuna as an engine."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from mineralsweep.config import Sweep
from mineralsweep.engines.engine import Proposal, TrialRecord
from mineralsweep.engines.optuna_pruners import PRUNERS, explain
from mineralsweep.errors import ConfigError, StudyConflict
from mineralsweep.space import constant, distribution, grid, propose

if TYPE_CHECKING:
    from mineralsweep.config import Entry
    from mineralsweep.space import Value

RECORD = "mineralsweep.record"
FINGERPRINT = "mineralsweep.fingerprint"
NOTE = "mineralsweep.note."
DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "loss": "minimize",
}
ENDS = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAILED": TrialState.FAIL}


class OptunaEngine:
    """A study in Optuna's storage; see `Engine` for the contract.

    Args:
        sweep: the space, the sampler, the pruner and the objective.
        study: the study's name; it is made, or taken up where it was.
        folder: the study's own; holds Optuna's journal unless `storage` is given.
        storage: the URL of a database for Optuna, such as postgresql://..., or one of Optuna's
            storages, open already; None: a journal.
        fingerprint: what may not change while the study lives, by name.

    Raises:
        StudyConflict: the study exists with another fingerprint; the message names what changed.
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
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = sweep.space
        self._metric = sweep.metric()
        self._pruner_name = sweep.engine.pruner
        opened = _open_storage(storage, folder)
        known = set(optuna.get_all_study_names(opened))
        seed = sweep.seed
        if study in known:
            # The sampler must not repeat the draws that it made before it was taken up.
            seed += len(optuna.load_study(study_name=study, storage=opened).trials)
        self._study = optuna.create_study(
            storage=opened,
            study_name=study,
            load_if_exists=True,
            direction=DIRECTIONS[sweep.objective],
            sampler=_sampler(sweep, seed),
            pruner=PRUNERS[sweep.engine.pruner].build(sweep.engine, sweep.budget.epochs),
        )
        self._live: dict[int, Trial] = {}
        self._reported: dict[int, int] = {}
        self._check_fingerprint(dict(fingerprint or {}))
        self._finite = sweep.engine.sampler == "grid"
        self._end_interrupted()
        if self._finite:
            tried = [record.params for record in self.records()]
            self._points = [params for params in grid(sweep.space) if params not in tried]

    def ask(self) -> Proposal | None:
        if self._finite and not self._has_waiting():
            if not self._points:
                return None
            self._study.enqueue_trial(self._searched(self._points.pop(0)))
        trial = self._study.ask()
        self._live[trial.number] = trial
        return Proposal(trial.number, propose(self._space, lambda *entry: _suggest(trial, *entry)))

    def report(self, number: int, epoch: int, value: float) -> str | None:
        trial = self._live[number]
        if epoch <= self._reported.get(number, 0):
            return None  # a trial that is tried again is judged from where its first try ended
        self._reported[number] = epoch
        trial.report(value, epoch)
        if not trial.should_prune():
            return None
        return explain(self._pruner_name, self._study, number, self._metric)

    def tell(self, record: TrialRecord) -> None:
        trial = self._live.pop(record.number)
        self._reported.pop(record.number, None)
        trial.set_user_attr(RECORD, record.to_dict())
        value = record.value if record.state == "COMPLETE" else None
        self._study.tell(trial, value, state=ENDS[record.state])

    def records(self) -> list[TrialRecord]:
        trials = self._study.get_trials(deepcopy=False)
        return [
            TrialRecord.from_dict(trial.user_attrs[RECORD])
            for trial in trials
            if trial.state.is_finished() and RECORD in trial.user_attrs
        ]

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
        old = json.loads(saved)
        changes = [
            f"  {name}: was {old.get(name, 'not there')}, is {fingerprint.get(name, 'not there')}"
            for name in sorted(old.keys() | fingerprint.keys())
            if old.get(name) != fingerprint.get(name)
        ]
        if changes:
            raise StudyConflict(
                f"study '{self._study.study_name}' exists and asks another question:\n"
                + "\n".join(changes)
                + "\nundo the change, or take a new name: --study NAME"
            )

    def _end_interrupted(self) -> None:
        """End the trials that a dead driver left running, and have them asked for first."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
            if not self._finite:  # a grid proposes what has no record, in order
                # Killed between being asked for and being filled in, it has its wishes only.
                self._study.enqueue_trial(
                    trial.params or trial.system_attrs.get("fixed_params", {})
                )

    def _has_waiting(self) -> bool:
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _searched(self, params: dict[str, Value]) -> dict[str, Value]:
        """Leave the constants out: Optuna never asks for them."""
        entries = self._space.entries()
        return {name: value for name, value in params.items() if constant(entries[name]) is None}


def _suggest(trial: Trial, name: str, entry: Entry) -> Any:
    asked = distribution(name, entry)
    if isinstance(asked, CategoricalDistribution):
        return trial.suggest_categorical(name, asked.choices)
    if isinstance(asked, IntDistribution):
        return trial.suggest_int(name, asked.low, asked.high, step=asked.step, log=asked.log)
    return trial.suggest_float(name, asked.low, asked.high, step=asked.step, log=asked.log)


def _open_storage(url: str | BaseStorage | None, folder: Path) -> BaseStorage:
    if isinstance(url, BaseStorage):
        return url
    if url is None:
        folder.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    try:
        return RDBStorage(url)
    except Exception as error:  # SQLAlchemy's, the driver's, Optuna's
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"--storage: can't be opened: {reason}") from error


def _sampler(sweep: Sweep, seed: int) -> optuna.samplers.BaseSampler:
    if sweep.engine.sampler in ("random", "grid"):
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        # `multivariate` and `group` are marked experimental; conditional spaces want both.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            multivariate=True, group=True, seed=seed, n_startup_trials=sweep.engine.startup_trials
        )
