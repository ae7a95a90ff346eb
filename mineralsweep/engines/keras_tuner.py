"""KerasTuner as an engine."""

from __future__ import annotations

import contextlib
import copy
import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner
import keras_tuner.engine.base_tuner
from keras_tuner.engine.trial import Trial as OracleTrial

from mineralsweep import files
from mineralsweep.config import Range, Space, Sweep
from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines.archive import KERAS_TUNER_FILE as FILE
from mineralsweep.engines.engine import Proposal, proposal_seed
from mineralsweep.errors import ConfigError

STARTS_WITH = "tuner/"
"""How KerasTuner names what Hyperband adds to a trial's values."""


@dataclass
class _Trial:
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
    record: dict[str, Any] | None = None
    score: float | None = None


@dataclass
class _Memory:
    """All that the engine knows of a study; one JSON file."""

    trials: list[_Trial] = field(default_factory=list)
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

    Raises:
        ConfigError: a storage was given, or the file can't be read.
    """

    name = "keras-tuner"

    def __init__(self, sweep: Sweep, study: str, folder: Path, storage: str | None = None) -> None:
        if storage is not None:
            raise ConfigError(
                "--storage: KerasTuner keeps a study in its folder; leave it out, or take"
                " --engine optuna"
            )
        self._sweep = sweep
        self._file = folder / FILE
        self._memory = _read(self._file)
        self._lost = [one for one in self._memory.trials if one.record is None]
        self._points = sweep.first_points()
        self._is_grid = sweep.engine.sampler == "grid"
        if self._is_grid:
            self._points = sweep.space.grid(self._points)

    def ask(self) -> Proposal | None:
        if self._lost:
            return self._proposal(self._lost.pop(0))
        trial = self._next_of_grid() if self._is_grid else self._next_of_oracle()
        if trial is None:
            return None
        self._memory.trials.append(trial)
        self._save()
        return self._proposal(trial)

    def report(self, number: int, step: int, value: float) -> str | None:
        return None  # KerasTuner has no pruners: its Hyperband stops a trial by asking for no more

    def tell(self, record: TrialRecord) -> None:
        trial = self._memory.trials[record.number]
        if trial.record is not None:
            return
        self._lost = [one for one in self._lost if one.number != record.number]
        if not self._is_grid:
            self._tell_oracle(trial, record)
        trial.record, trial.score = record.to_dict(), record.value
        self._save()

    def records(self) -> list[TrialRecord]:
        return _records(self._memory)

    def learn(self, records: Sequence[TrialRecord]) -> None:
        """Take an older study's trials as knowledge; of the oracles, only bayesian uses it."""
        self._memory.learned = [one.to_dict() for one in records if one.value is not None]
        self._save()

    def _proposal(self, trial: _Trial) -> Proposal:
        before = trial.values.get("tuner/trial_id")
        continues = next((one.number for one in self._memory.trials if one.id == before), None)
        epochs = trial.values.get("tuner/epochs")
        return Proposal(trial.number, trial.params, epochs, continues, epochs is not None)

    def _next_of_grid(self) -> _Trial | None:
        """Return the next point of the grid, in the order that both engines have.

        KerasTuner's own grid oracle does not save its place: it would begin anew.
        """
        number = len(self._memory.trials)
        if number >= len(self._points):
            return None
        point = self._points[number]
        return _Trial(number, f"{number:04d}", dict(point), point)

    def _next_of_oracle(self) -> _Trial | None:
        number = len(self._memory.trials)
        with self._oracle(number) as led:
            trial = led.create_trial(f"trial-{number}")
            if trial.status != "RUNNING":
                return None  # IDLE: the trials that run decide what follows; STOPPED: nothing does
            values = dict(trial.hyperparameters.values)
            if number < len(self._points) and not values.get("tuner/initial_epoch"):
                values = self._placed(led, values, number)
                trial.hyperparameters.values = dict(values)
            params = self._sweep.space.propose(lambda name, _: values[name])
            self._keep(led)
        return _Trial(number, trial.trial_id, values, params)

    def _placed(
        self, led: keras_tuner.Oracle, values: dict[str, Any], number: int
    ) -> dict[str, Any]:
        """Return the values of a trial that a point stands for; what it leaves open is drawn."""
        own = {key: one for key, one in values.items() if key.startswith(STARTS_WITH)}
        full = {**values, **self._points[number]}
        seed = proposal_seed(self._sweep.seed, number)
        for place, one in enumerate(led.get_space().space):
            full.setdefault(one.name, one.random_sample(seed + place))
        params = self._sweep.space.propose(lambda name, _: full[name])
        return {**self._searched(params), **own}

    def _tell_oracle(self, told: _Trial, record: TrialRecord) -> None:
        with self._oracle(told.number) as led:
            trial = led.get_trial(told.id)
            if record.value is None:
                trial.status, trial.message = "FAILED", record.reason
            else:
                metrics = {self._sweep.metric(): record.value}
                led.update_trial(told.id, metrics, step=record.best_epoch or 0)
                trial.status = "COMPLETED"
            led.end_trial(trial)
            self._keep(led)

    @contextlib.contextmanager
    def _oracle(self, number: int) -> Iterator[keras_tuner.Oracle]:
        """Give a new oracle that knows what the file knows; its draws follow from `number`."""
        seed = max(1, proposal_seed(self._sweep.seed, number))
        # It calls outdated functions of threading, and scikit-learn tells of slow fits.
        silent = warnings.catch_warnings(action="ignore")
        with silent, tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
            led = oracle(self._sweep, seed)
            # A tuner gives its oracle the folder that it wants to write into.
            keras_tuner.engine.base_tuner.BaseTuner(led, directory=scratch, project_name="study")
            for place, old in enumerate(self._memory.learned):
                self._add(led, f"learned-{place}", self._searched(old["params"]), old["value"])
            for trial in self._memory.trials:
                self._add(led, trial.id, trial.values, trial.score, _status(trial))
            if self._memory.oracle:
                # A copy: KerasTuner puts objects into the state that it reads.
                state = copy.deepcopy(self._memory.oracle)
                led.set_state({**state, "seed": seed, "seed_state": seed})
            yield led

    def _add(
        self,
        led: keras_tuner.Oracle,
        name: str,
        values: dict[str, Any],
        score: float | None,
        status: str = "COMPLETED",
    ) -> None:
        """Have an oracle know a trial."""
        space = led.get_space()
        space.values = dict(values)
        led.trials[name] = OracleTrial(space, name, status)
        led.trials[name].score = score

    def _searched(self, params: Params) -> Params:
        searched = self._sweep.space.searched()
        return {name: value for name, value in params.items() if name in searched}

    def _keep(self, led: keras_tuner.Oracle) -> None:
        """Take over an oracle's state. KerasTuner has a lock for each oracle, for good."""
        state = led.get_state()
        state["tried_so_far"] = sorted(state["tried_so_far"])
        self._memory.oracle = json.loads(json.dumps(state))  # plain data, and its own
        led.trials = {}

    def _save(self) -> None:
        text = json.dumps(asdict(self._memory))
        files.write_atomically(self._file, lambda path: path.write_text(text, encoding="utf-8"))


def stored_records(folder: Path) -> list[TrialRecord]:
    """Return the records of a study that is only read, by number.

    Raises:
        ConfigError: the file can't be read.
    """
    return _records(_read(folder / FILE))


def _records(memory: _Memory) -> list[TrialRecord]:
    return [TrialRecord.from_dict(one.record) for one in memory.trials if one.record is not None]


def _read(file: Path) -> _Memory:
    if not file.exists():
        return _Memory()
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        stored["trials"] = [_Trial(**trial) for trial in stored["trials"]]
        return _Memory(**stored)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{file}: can't be read ({error}); take a new name: --study NAME"
        ) from None


def _status(trial: _Trial) -> str:
    if trial.record is None:
        return "RUNNING"
    return "FAILED" if trial.score is None else "COMPLETED"


NO_LIMIT = 10**9
"""Of failures in a row: the sweep has a limit of its own."""


def oracle(sweep: Sweep, seed: int) -> keras_tuner.Oracle:
    """Return a new oracle, of the sweep's kind, over its space.

    Args:
        sweep: the space, the kind, its options and the objective.
        seed: from 1; KerasTuner takes 0 for none.
    """
    direction = objectives.get(sweep.objective).direction
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(sweep.metric(), direction[:3]),
        "hyperparameters": declare(keras_tuner.HyperParameters(), sweep.space),
        "seed": seed,
        "max_consecutive_failed_trials": NO_LIMIT,
    }
    kind, given = sweep.engine.resolved(), dict(sweep.engine.sampler_options)
    if kind == "hyperband":
        made = keras_tuner.oracles.HyperbandOracle(
            **options, max_epochs=sweep.budget.epochs, **given
        )
    elif kind == "bayesian":
        if "startup_trials" in sweep.engine.model_fields_set:
            given.setdefault("num_initial_points", sweep.engine.startup_trials)
        made = keras_tuner.oracles.BayesianOptimizationOracle(**options, max_trials=None, **given)
    else:
        made = keras_tuner.oracles.RandomSearchOracle(**options, max_trials=None, **given)
    made.verbose = 0
    return made


def declare(declared: keras_tuner.HyperParameters, space: Space) -> keras_tuner.HyperParameters:
    """Put a space in KerasTuner's terms, and return it; constants are left out.

    An entry that some of the architectures don't have stands in a conditional scope.
    """
    every = len(space.architectures())
    for name in space.searched():
        owners = [one.name for one in space.owners(name)]
        if len(owners) == every:
            _declare(declared, name, space)
        else:
            with declared.conditional_scope("architecture", owners):
                _declare(declared, name, space)
    return declared


def _declare(declared: keras_tuner.HyperParameters, name: str, space: Space) -> None:
    entry, kind = space.entries()[name], space.hyperparameter(name)
    values = entry.ladder()
    if values is not None:
        choices = [kind.typed(value) for value in values]
        # A ladder is written out: KerasTuner's steps are not always its values, to the last bit.
        ordered = not any(isinstance(one, str) for one in choices)
        declared.Choice(name, choices, ordered=ordered)
        return
    assert isinstance(entry, Range)
    sampling = "log" if entry.log else "linear"
    if kind.kind == "int":
        declared.Int(name, int(entry.low), int(entry.high), sampling=sampling)
    else:
        declared.Float(name, entry.low, entry.high, sampling=sampling)
