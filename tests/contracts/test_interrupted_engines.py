"""An engine that is killed at any moment goes on: nothing is lost, nothing stands twice."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mineralsweep.config import Sweep
from mineralsweep.engines import ENGINES
from mineralsweep.engines.engine import Engine, Proposal
from tests.contracts.test_engines import opened, record, sweep

TRIALS, EPOCHS = 9, 4
Ended = tuple[int, dict[str, Any], str, float]

NUMBERS = {
    "architecture": ["model2_1", "vgg16"],
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "dropout": {"low": 0.0, "high": 0.5},
    "unfrozen": {"low": 0, "high": 8},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "nsgaii": {"population_size": 3},
    "qmc": {"scramble": True},
}

SEARCHES = {
    ("optuna", sampler, pruner): sweep(
        budget={"trials": TRIALS, "epochs": EPOCHS},
        engine={"sampler": sampler, "pruner": pruner, "startup_trials": 2},
    )
    for sampler in ("tpe", "random")
    for pruner in ("median", "successive_halving", "hyperband", "patience")
}
for _sampler in ("cmaes", "qmc", "nsgaii", "gp"):
    if _sampler == "gp" and importlib.util.find_spec("torch") is None:
        continue
    SEARCHES["optuna", _sampler, "percentile"] = sweep(
        budget={"trials": TRIALS, "epochs": EPOCHS},
        space=NUMBERS,
        engine={"sampler": _sampler, "pruner": "percentile", "startup_trials": 2,
                "sampler_options": OPTIONS.get(_sampler, {})},
    )  # fmt: skip
for _sampler in ("random", "bayesian", "hyperband"):
    SEARCHES["keras-tuner", _sampler, "none"] = sweep(
        budget={"trials": TRIALS, "epochs": EPOCHS},
        engine={"name": "keras-tuner", "sampler": _sampler, "startup_trials": 8},
    )
SEARCHES["optuna", "grid", "median"] = sweep(
    engine={"sampler": "grid"},
    space={"architecture": ["model2", "vgg16"], "unfrozen": [0, 4], "learning_rate": [0.1, 0.2]},
)
SEARCHES["keras-tuner", "grid", "none"] = sweep(
    engine={"name": "keras-tuner", "sampler": "grid"},
    space={"architecture": ["model2", "vgg16"], "unfrozen": [0, 4], "learning_rate": [0.1, 0.2]},
)
every = pytest.mark.parametrize(
    "search",
    [
        pytest.param(
            search, id="-".join(search),
            marks=[pytest.mark.slow] if search[0] == "keras-tuner" else [],
        )
        for search in sorted(SEARCHES)
    ],
)  # fmt: skip


class Killed(BaseException):
    """The driver is dead from here on."""


def curve(number: int, epoch: int) -> float:
    """Return a value that trial `number` has after an epoch, the same whenever it is asked."""
    return ((number * 7919 + 13) % 101) / 101 * (1 - 0.5**epoch)


def drive(
    engine: Engine, moment: Callable[[], None], epoch_ended: Callable[[], None] | None = None
) -> None:
    """Run a one-worker search; `moment` is called wherever a driver may die between epochs."""
    moment()
    while len(engine.records()) < TRIALS and (proposal := engine.ask()) is not None:
        moment()
        state, value = train(engine, proposal, epoch_ended or (lambda: None))
        engine.tell(record(proposal.number, proposal.params, state, value))
        moment()


def train(engine: Engine, proposal: Proposal, ended: Callable[[], None]) -> tuple[str, float]:
    for epoch in range(1, (proposal.epochs or EPOCHS) + 1):
        value = curve(proposal.number, epoch)
        stop = engine.report(proposal.number, epoch, value)
        if stop is not None and epoch < EPOCHS:
            return "PRUNED", value
        ended()
    return "COMPLETE", value


def ended(engine: Engine) -> list[Ended]:
    return [(one.number, one.params, one.state, one.value or 0.0) for one in engine.records()]


def undisturbed(name: str, settings: Sweep) -> list[Ended]:
    engine = opened(name, settings, study="same")
    drive(engine, lambda: None)
    return ended(engine)


def die_after(moments: Iterator[int]) -> Callable[[], None]:
    left = next(moments, None)

    def moment() -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                left = next(moments, None)
                raise Killed

    return moment


def killed_again_and_again(
    name: str, settings: Sweep, folder: Path, kills: list[int], in_training: bool
) -> list[Ended]:
    moment = die_after(iter(kills))
    while True:
        engine = ENGINES[name](settings, "same", folder, None)
        try:
            drive(engine, moment, moment if in_training else None)
        except Killed:
            continue
        return ended(engine)


def kill_moments(data: st.DataObject) -> list[int]:
    return data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=8))


some_kills = hypothesis_settings(
    max_examples=5, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


@every
@some_kills
@given(data=st.data())
def test_a_search_killed_between_trainings_is_the_search(
    search: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("studies")
    expected = EXPECTED.get(search) or undisturbed(search[0], SEARCHES[search])
    EXPECTED[search] = expected
    assert [number for number, *_ in expected] == list(range(len(expected)))
    kills = kill_moments(data)
    assert killed_again_and_again(search[0], SEARCHES[search], folder, kills, False) == expected


@every
@some_kills
@given(data=st.data())
def test_a_search_killed_while_it_trains_loses_nothing(
    search: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("studies")
    kills = kill_moments(data)
    trials = killed_again_and_again(search[0], SEARCHES[search], folder, kills, True)
    assert [number for number, *_ in trials] == list(range(len(trials)))
    assert len(trials) == (6 if search[1] == "grid" else TRIALS)


EXPECTED: dict[tuple[str, str, str], list[Ended]] = {}


class FailingStorage:
    """An engine's storage whose driver dies at its nth write."""

    WRITES = (
        "create_new_trial",
        "set_trial_param",
        "set_trial_state_values",
        "set_trial_intermediate_value",
        "set_trial_system_attr",
        "set_trial_user_attr",
    )

    def __init__(self, inner: Any) -> None:
        self._inner, self.left = inner, -1

    def __getattr__(self, name: str) -> Any:
        if name in self.WRITES:
            self.left -= 1
            if self.left == 0:
                raise Killed
        return getattr(self._inner, name)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_a_driver_may_die_at_any_write(
    sampler: str, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write of a search is one's last, once."""
    from optuna.storages import InMemoryStorage

    from mineralsweep.engines import optuna as engine_module

    settings = SEARCHES["optuna", sampler, pruner]
    monkeypatch.setattr(engine_module, "open_storage", lambda storage, folder: storage)
    expected = undisturbed_in(InMemoryStorage(), settings)
    for every_nth in (3, 4, 5, 7):
        storage = FailingStorage(InMemoryStorage())
        while True:
            storage.left = every_nth
            every_nth += 1  # so that it gets past every place in the end
            try:
                found = undisturbed_in(storage, settings)
            except Killed:
                continue
            break
        assert [(number, params) for number, params, *_ in found] == [
            (number, params) for number, params, *_ in expected
        ] or sampler == "tpe"  # it learns from where trials were stopped
        assert [number for number, *_ in found] == list(range(TRIALS))


def undisturbed_in(storage: Any, settings: Sweep) -> list[Ended]:
    from mineralsweep.engines.optuna import OptunaEngine

    engine = OptunaEngine(settings, "same", Path("unused"), storage)
    drive(engine, lambda: None)
    return ended(engine)


def test_an_epoch_trained_again_is_reported_once() -> None:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    settings = SEARCHES["optuna", "random", "median"]
    for last in (3, 4):
        engine = opened("optuna", settings)
        proposal = engine.ask()
        assert proposal is not None
        for epoch in range(1, last + 1):
            assert engine.report(proposal.number, epoch, curve(last, epoch)) is None
    storage = JournalStorage(JournalFileBackend("studies/s/optuna.journal"))
    [trial] = storage.get_all_trials(storage.get_study_id_from_name("s"))
    first = {epoch: curve(3, epoch) for epoch in range(1, 4)}
    assert trial.intermediate_values == {**first, 4: curve(4, 4)}
