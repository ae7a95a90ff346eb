"""KerasTuner as an engine."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial as OracleTrial

from mineralsweep.config import Sweep
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines import fingerprint as fingerprints
from mineralsweep.engines.engine import Proposal, driver_id, proposal_seed
from mineralsweep.engines.keras_tuner_oracles import drawn, oracle, quiet
from mineralsweep.errors import ConfigError, StudyConflict
from mineralsweep.files import write_atomically

FILE = "keras-tuner.json"
OTHER_ENGINE = "optuna.journal"
STARTS_WITH = "tuner/"
"""How KerasTuner names what Hyperband adds to a trial's values."""


@dataclass
class _Asked:
    """A trial that was asked for, and how it ended.

    Attributes:
        id: KerasTuner's own, a text.
        values: what the oracle drew, Hyperband's additions included.
        record: None while the trial runs.
    """

    number: int
    id: str
    values: dict[str, Any]
    params: Params
    driver: str
    record: dict[str, Any] | None = None
    score: float | None = None


@dataclass
class _Memory:
    """All that the engine knows of a study; one JSON file."""

    fingerprint: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)
    trials: list[_Asked] = field(default_factory=list)
    learned: list[dict[str, Any]] = field(default_factory=list)
    oracle: dict[str, Any] = field(default_factory=dict)


class KerasTunerEngine:
    """A study that one of KerasTuner's oracles leads; see `Engine` for the contract.

    The oracle is asked directly, without a tuner. Its state and every trial are one JSON file,
    which is replaced as a whole after each question and each answer. A new oracle is set up from
    it for each of them, with a seed of its own, so that nothing is lost with the process.

    Args:
        sweep: the space, the oracle (`engine.sampler`) and the objective.
        study: the study's name.
        folder: the study's own.
        storage: must be None: KerasTuner knows no databases.
        fingerprint: what may not change while the study lives, by name.
        driver: who asks; None makes an id.
        is_dead: whether a driver is dead, by its id; None: every driver but this one is.

    Raises:
        StudyConflict: the study exists with another fingerprint, or under the other engine.
        ConfigError: a storage was given, or the file can't be read.
    """

    name = "keras-tuner"

    def __init__(
        self,
        sweep: Sweep,
        study: str,
        folder: Path,
        storage: str | None = None,
        fingerprint: Mapping[str, str] | None = None,
        driver: str | None = None,
        is_dead: Callable[[str], bool] | None = None,
    ) -> None:
        if storage is not None:
            raise ConfigError(
                "--storage: KerasTuner keeps a study in its folder; leave it out, or take"
                " --engine optuna"
            )
        self._sweep = sweep
        self._file = folder / FILE
        self._driver = driver or driver_id()
        self._is_dead = is_dead or (lambda driver: True)
        self._reopened: dict[int, bool] = {}  # whether it was asked for
        self._memory = self._read(study, folder, dict(fingerprint or {}))
        self._save()
        self._points = sweep.first_points()
        self._grid = sweep.engine.sampler == "grid"
        if self._grid:
            self._points = sweep.space.grid(self._points)

    def ask(self) -> Proposal | None:
        for number, asked_for in self._reopened.items():
            if not asked_for:
                self._reopened[number] = True
                return self._proposal(self._memory.trials[number])
        lost = [asked for asked in self._memory.trials if self._is_lost(asked)]
        if lost:
            lost[0].driver = self._driver
            self._save()
            return self._proposal(lost[0])
        asked = self._next_of_grid() if self._grid else self._next_of_oracle()
        if asked is None:
            return None
        self._memory.trials.append(asked)
        self._save()
        return self._proposal(asked)

    def report(self, number: int, epoch: int, value: float) -> str | None:
        return None  # KerasTuner has no pruners: its Hyperband stops a trial by asking for no more

    def tell(self, record: TrialRecord) -> None:
        asked = self._memory.trials[record.number]
        again = self._reopened.pop(record.number, None) is not None
        if asked.record is not None and not again:
            return
        if not self._grid and not again:  # the oracle has gone on from what it was told
            self._tell_oracle(asked, record)
        if not (again and record.state == "FAILED"):
            asked.record, asked.score = record.to_dict(), record.value
        self._save()

    def records(self) -> list[TrialRecord]:
        return [
            TrialRecord.from_dict(asked.record)
            for asked in self._memory.trials
            if asked.record is not None and asked.number not in self._reopened
        ]

    def taken(self) -> int:
        wanted = sum(not asked_for for asked_for in self._reopened.values())
        return sum(not self._is_lost(asked) for asked in self._memory.trials) - wanted

    def reopen(self, numbers: Iterable[int]) -> None:
        self._reopened |= dict.fromkeys(sorted(numbers), False)

    def owns(self, number: int) -> bool:
        driver = self._memory.trials[number].driver
        return driver == self._driver or self._is_dead(driver)

    def at_work(self) -> list[int]:
        return [
            asked.number
            for asked in self._memory.trials
            if asked.record is None and asked.driver != self._driver
        ]

    def notes(self) -> dict[str, str]:
        return dict(self._memory.notes)

    def set_note(self, key: str, value: str) -> None:
        self._memory.notes[key] = value
        self._save()

    def plots(self) -> dict[str, str]:
        """Return Optuna's plots of the same records; KerasTuner has none."""
        from mineralsweep.engines import optuna_plots

        study = optuna_plots.study_of(self.records(), self._sweep.space, self._sweep.objective)
        return optuna_plots.draw(study, self._sweep.metric())

    def learn(self, records: list[TrialRecord]) -> None:
        """Take an older study's trials as knowledge; of the oracles, only bayesian uses it."""
        known = [record.to_dict() for record in records if record.value is not None]
        self._memory.learned = known
        self._save()

    def _is_lost(self, asked: _Asked) -> bool:
        running = asked.record is None and asked.driver != self._driver
        return running and self._is_dead(asked.driver)

    def _proposal(self, asked: _Asked) -> Proposal:
        before = asked.values.get("tuner/trial_id")
        continues = next((one.number for one in self._memory.trials if one.id == before), None)
        return Proposal(asked.number, asked.params, asked.values.get("tuner/epochs"), continues)

    def _next_of_grid(self) -> _Asked | None:
        """Return the next point of the grid, in the order that both engines have.

        KerasTuner's own grid oracle does not save its place: it would begin anew.
        """
        number = len(self._memory.trials)
        if number >= len(self._points):
            return None
        point = self._points[number]
        return _Asked(number, f"{number:04d}", dict(point), point, self._driver)

    def _next_of_oracle(self) -> _Asked | None:
        number = len(self._memory.trials)
        led = self._oracle(number)
        with quiet():
            trial = led.create_trial(f"trial-{number}")
        if trial.status != "RUNNING":
            return None  # IDLE: the trials at work decide what follows; STOPPED: nothing follows
        values = dict(trial.hyperparameters.values)
        if number < len(self._points) and not values.get("tuner/initial_epoch"):
            values = self._placed(led, values, number)
            trial.hyperparameters.values = dict(values)
        params = self._sweep.space.propose(lambda name, _: values[name])
        self._keep(led)
        return _Asked(number, trial.trial_id, values, params, self._driver)

    def _placed(
        self, led: keras_tuner.Oracle, values: dict[str, Any], number: int
    ) -> dict[str, Any]:
        """Return the values of a trial that a point stands for; what it leaves open is drawn."""
        own = {key: one for key, one in values.items() if key.startswith(STARTS_WITH)}
        full = {**values, **self._points[number]}
        drawn(led.get_space(), full, proposal_seed(self._sweep.seed, number))
        params = self._sweep.space.propose(lambda name, _: full[name])
        return {**self._searched(params), **own}

    def _tell_oracle(self, asked: _Asked, record: TrialRecord) -> None:
        led = self._oracle(asked.number)
        trial = led.get_trial(asked.id)
        with quiet():
            if record.value is None:
                trial.status, trial.message = "FAILED", record.reason
            else:
                metrics = {self._sweep.metric(): record.value}
                led.update_trial(asked.id, metrics, step=record.best_epoch or 0)
                trial.status = "COMPLETED"
            led.end_trial(trial)
        self._keep(led)

    def _oracle(self, number: int) -> keras_tuner.Oracle:
        """Return a new oracle that knows what the file knows; its draws follow from `number`."""
        seed = max(1, proposal_seed(self._sweep.seed, number))
        with quiet():
            led = oracle(self._sweep, seed)
        led._set_project_dir(self._file.parent, self._file.stem)
        for place, old in enumerate(self._memory.learned):
            led.trials[f"learned-{place}"] = self._as_trial(
                led, f"learned-{place}", self._searched(old["params"]), old["value"], "COMPLETED"
            )
        for asked in self._memory.trials:
            led.trials[asked.id] = self._as_trial(
                led, asked.id, asked.values, asked.score, _status(asked)
            )
        if self._memory.oracle:
            # A copy: KerasTuner puts objects into the state that it reads.
            state = copy.deepcopy(self._memory.oracle)
            led.set_state({**state, "seed": seed, "seed_state": seed})
        return led

    def _as_trial(
        self,
        led: keras_tuner.Oracle,
        name: str,
        values: dict[str, Any],
        score: float | None,
        status: str,
    ) -> OracleTrial:
        space = led.get_space()
        space.values = dict(values)
        trial = OracleTrial(space, name, status)
        trial.score = score
        return trial

    def _searched(self, params: Params) -> Params:
        searched = self._sweep.space.searched()
        return {name: value for name, value in params.items() if name in searched}

    def _keep(self, led: keras_tuner.Oracle) -> None:
        """Take over an oracle's state. KerasTuner has a lock for each oracle, for good."""
        state = led.get_state()
        state["tried_so_far"] = sorted(state["tried_so_far"])
        self._memory.oracle = json.loads(json.dumps(state))  # plain data, and its own
        led.trials = {}

    def _read(self, study: str, folder: Path, fingerprint: dict[str, str]) -> _Memory:
        if (folder / OTHER_ENGINE).exists():
            raise StudyConflict(
                f"study '{study}' was begun with --engine optuna; go on with it, or take a new"
                " name: --study NAME"
            )
        if not self._file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            return _Memory(fingerprint)
        try:
            kept = json.loads(self._file.read_text())
            kept["trials"] = [_Asked(**asked) for asked in kept["trials"]]
            memory = _Memory(**kept)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self._file}: can't be read ({error}); take a new name: --study NAME"
            ) from None
        fingerprints.check(study, memory.fingerprint, fingerprint)
        return memory

    def _save(self) -> None:
        text = json.dumps(asdict(self._memory))
        write_atomically(self._file, lambda path: path.write_text(text))


def _status(asked: _Asked) -> str:
    if asked.record is None:
        return "RUNNING"
    return "FAILED" if asked.score is None else "COMPLETED"
