"""Every engine keeps the contract of `Engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mineralsweep.config import Sweep, build
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.objective import OBJECTIVES
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines import ENGINES
from mineralsweep.engines.engine import Engine
from mineralsweep.errors import ConfigError

SLOW = ("keras-tuner",)
"""It imports TensorFlow."""

every = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in sorted(ENGINES)
    ],
)
optuna_alone = pytest.mark.parametrize("name", ["optuna"])
SAMPLERS = [
    *(("optuna", sampler) for sampler in ("tpe", "random")),
    *(
        pytest.param("keras-tuner", sampler, marks=pytest.mark.slow)
        for sampler in ("random", "bayesian", "hyperband")
    ),
]


def sweep(**changes: Any) -> Sweep:
    raw = {
        "question": "Does the engine keep its word?",
        "image_size": 96,
        "space": {
            "architecture": ["model2", "model2_1", "vgg16"],
            "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
            "dropout": {"low": 0.0, "high": 0.5},
            "unfrozen": [0, 4],
            "batch_size": 16,
        },
        "budget": {"trials": 10, "epochs": 4},
    }
    return build({**raw, **changes}, "test")


def opened(name: str, settings: Sweep | None = None, **more: Any) -> Engine:
    settings = settings or sweep()
    if settings.engine.name != name:
        other = {"name": name, "sampler": "grid" if settings.engine.sampler == "grid" else "random"}
        engine = settings.engine.model_copy(update=other)
        settings = settings.model_copy(update={"engine": engine})
    study = more.get("study", "s")
    folder = Path("studies") / study
    return ENGINES[name](settings, study, folder, more.get("storage"))


def record(number: int, params: Params, state: Any = "COMPLETE", value: float = 0.5) -> TrialRecord:
    failed = state == "FAILED"
    return TrialRecord(
        number=number, state=state, params=params, value=None if failed else value,
        accuracy=None if failed else value, loss=None if failed else 1 - value, n=10,
        best_epoch=None if failed else 1, run_id=f"run{number}", model_id=None, reason="",
        seconds=1.0,
    )  # fmt: skip


def good(params: Params) -> float:
    return 1.0 - abs(float(params["learning_rate"]) - 0.01)


def run(engine: Engine, trials: int) -> list[Params]:
    asked = []
    for _ in range(trials):
        proposal = engine.ask()
        assert proposal is not None
        asked.append(proposal.params)
        engine.tell(record(proposal.number, proposal.params, value=good(proposal.params)))
    return asked


@every
def test_proposals_keep_to_the_space_and_its_conditions(name: str) -> None:
    seen = set()
    for params in run(opened(name), 25):
        architecture = params["architecture"]
        seen.add(architecture)
        assert 1e-5 <= float(params["learning_rate"]) <= 1e-1
        assert params["batch_size"] == 16
        assert ("dropout" in params) == (architecture != "model2")
        assert ("unfrozen" in params) == (architecture == "vgg16")
    assert seen == {"model2", "model2_1", "vgg16"}


@every
def test_a_seed_gives_the_same_proposals(name: str) -> None:
    first, second = (run(opened(name, study=study), 8) for study in ("a", "b"))
    assert first == second
    assert run(opened(name, sweep(seed=1), study="c"), 8) != first


@every
def test_records_come_back_as_they_were_told(name: str) -> None:
    engine = opened(name)
    told = []
    for state in ("COMPLETE", "PRUNED", "FAILED"):
        proposal = engine.ask()
        assert proposal is not None
        told.append(record(proposal.number, proposal.params, state))
        engine.tell(told[-1])
    assert engine.records() == told
    assert opened(name).records() == told


@every
def test_a_study_goes_on_with_other_draws_than_it_began_with(name: str) -> None:
    settings = sweep(engine={"sampler": "random"})
    first = run(opened(name, settings), 5)
    later = run(opened(name, settings), 5)
    assert len(opened(name, settings).records()) == 10
    assert not [params for params in later if params in first]


@every
def test_a_trial_left_running_is_asked_for_first(name: str) -> None:
    dead = opened(name)
    run(dead, 2)
    lost = dead.ask()
    assert lost is not None
    again = opened(name).ask()
    assert again is not None
    assert again == lost
    assert len(opened(name).records()) == 2


@optuna_alone
def test_the_median_pruner_stops_a_bad_trial_and_spares_a_good_one(name: str) -> None:
    engine = opened(name, sweep(engine={"pruner": "median", "startup_trials": 2}))
    reasons = []
    for final in (0.8, 0.9, 0.85, 0.1, 0.95):
        proposal = engine.ask()
        assert proposal is not None
        answers = [engine.report(proposal.number, epoch, final) for epoch in (1, 2, 3)]
        reasons.append(next((answer for answer in answers if answer), None))
        engine.tell(record(proposal.number, proposal.params, value=final))
    assert reasons[3] is not None
    assert reasons[3] == (
        "median pruner at epoch 1: val_accuracy 0.100 below 0.850, the median of 3 trials"
    )
    assert reasons[0] is reasons[1] is reasons[4] is None


@optuna_alone
@pytest.mark.parametrize(
    "pruner", ["none", "median", "successive_halving", "hyperband", "patience"]
)
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_every_sampler_and_pruner_runs(name: str, sampler: str, pruner: str) -> None:
    engine = opened(name, sweep(engine={"sampler": sampler, "pruner": pruner}))
    for _ in range(8):
        proposal = engine.ask()
        assert proposal is not None
        engine.report(proposal.number, 1, good(proposal.params))
        engine.tell(record(proposal.number, proposal.params, value=good(proposal.params)))
    assert len(engine.records()) == 8


@every
def test_the_grid_is_walked_once_and_survives_a_restart(name: str) -> None:
    settings = sweep(
        engine={"sampler": "grid"},
        space={
            "architecture": ["model2", "vgg16"],
            "unfrozen": [0, 4],
            "learning_rate": [0.1, 0.2],
        },
    )
    first = run(opened(name, settings), 2)
    lost = opened(name, settings).ask()
    assert lost is not None
    assert opened(name, settings).ask() == lost  # lost again
    engine = opened(name, settings)
    rest = []
    while (proposal := engine.ask()) is not None:
        rest.append(proposal.params)
        engine.tell(record(proposal.number, proposal.params))
    assert rest[0] == lost.params
    everything = [tuple(params.items()) for params in first + rest]
    assert len(everything) == len(set(everything)) == 6


@pytest.mark.parametrize(("name", "sampler"), SAMPLERS)
def test_every_sampler_runs_and_keeps_its_records(name: str, sampler: str) -> None:
    settings = sweep(engine={"name": name, "sampler": sampler, "startup_trials": 4})
    asked = run(opened(name, settings), 8)
    for params in asked:
        assert ("dropout" in params) == (params["architecture"] != "model2")
        assert ("unfrozen" in params) == (params["architecture"] == "vgg16")
    engine = opened(name, settings)
    assert [one.params for one in engine.records()] == asked
    assert [one.number for one in engine.records()] == list(range(8))


@pytest.mark.slow
def test_hyperband_trains_a_few_on_and_says_from_which() -> None:
    settings = sweep(budget={"epochs": 9}, engine={"name": "keras-tuner", "sampler": "hyperband"})
    engine = opened("keras-tuner", settings)
    asked = []
    while (proposal := engine.ask()) is not None:
        asked.append(proposal)
        engine.tell(record(proposal.number, proposal.params, value=good(proposal.params)))
    first = asked[:9]
    assert [(one.epochs, one.continues) for one in first] == [(1, None)] * 9
    best = sorted(first, key=lambda one: -good(one.params))[:3]
    assert [(one.epochs, one.continues) for one in asked[9:12]] == [(3, one.number) for one in best]
    assert [one.params for one in asked[9:12]] == [one.params for one in best]
    assert (asked[12].epochs, asked[12].continues) == (9, 9)
    assert asked[13].continues is None
    assert max(one.epochs or 0 for one in asked) == 9


@pytest.mark.slow
def test_hyperband_waits_for_the_trials_at_work() -> None:
    settings = sweep(budget={"epochs": 3}, engine={"name": "keras-tuner", "sampler": "hyperband"})
    engine = opened("keras-tuner", settings)
    asked = []
    while (proposal := engine.ask()) is not None:
        asked.append(proposal)
    assert asked
    for one in asked:
        engine.tell(record(one.number, one.params, value=good(one.params)))
    more = engine.ask()
    assert more is not None
    assert more.continues in [one.number for one in asked]


@pytest.mark.slow
def test_bayesian_does_better_than_chance_on_a_plain_slope() -> None:
    settings = sweep(
        space={"architecture": "model2", "learning_rate": {"low": 0.0001, "high": 1}},
        engine={"name": "keras-tuner", "sampler": "bayesian"},
    )
    late = [good(params) for params in run(opened("keras-tuner", settings), 9)[4:]]
    assert sum(late) / len(late) > 0.8  # the mean of uniform draws is about 0.5


@pytest.mark.slow
def test_keras_tuner_learns_from_an_older_study_and_counts_from_0() -> None:
    settings = sweep(
        space={"architecture": "model2", "learning_rate": {"low": 0.0001, "high": 1}},
        engine={"name": "keras-tuner", "sampler": "bayesian"},
    )
    old = opened("keras-tuner", settings, study="old")
    run(old, 5)
    new = opened("keras-tuner", settings, study="new")
    new.learn(old.records())
    found = run(new, 2)
    assert [one.number for one in new.records()] == [0, 1]
    assert sum(map(good, found)) / 2 > 0.8  # no random points first: it knows five


@pytest.mark.slow
def test_keras_tuner_refuses_what_it_can_not_do() -> None:
    with pytest.raises(ConfigError, match="--storage: KerasTuner keeps a study in its folder"):
        opened("keras-tuner", storage="sqlite:///x.db")
    (Path("studies") / "c").mkdir(parents=True)
    (Path("studies") / "c" / "keras-tuner.json").write_text("{")
    with pytest.raises(ConfigError, match=r"keras-tuner.json: can't be read"):
        opened("keras-tuner", study="c")


@optuna_alone
def test_tpe_does_better_than_chance_on_a_plain_slope(name: str) -> None:
    settings = sweep(space={"architecture": "model2", "learning_rate": {"low": 0.0001, "high": 1}})
    late = [good(params) for params in run(opened(name, settings), 40)[30:]]
    assert sum(late) / len(late) > 0.8  # the mean of uniform draws is about 0.5


@optuna_alone
def test_a_database_can_hold_the_study(name: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    run(opened(name, storage=url), 2)
    assert len(opened(name, storage=url).records()) == 2


@optuna_alone
def test_a_storage_that_cannot_be_opened_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--storage: can't be opened"):
        opened(name, storage="nosuchdb://here/x")


@every
def test_a_trial_of_a_dead_driver_can_be_told_at_once_and_but_once(name: str) -> None:
    lost = opened(name).ask()
    assert lost is not None
    engine = opened(name)
    for value in (0.5, 0.6):
        engine.tell(record(lost.number, lost.params, value=value))
    assert [one.value for one in engine.records()] == [0.5]
    again = engine.ask()
    assert again is not None
    assert again.number == 1


@every
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_objective_leads_a_search(name: str, objective: str) -> None:
    engine = opened(name, sweep(objective=objective))
    assert len(run(engine, 3)) == 3
    assert [one.number for one in opened(name, sweep(objective=objective)).records()] == [0, 1, 2]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_a_finite_space_is_tried_once(sampler: str) -> None:
    space = {"architecture": ["model1", "model2"], "learning_rate": [0.1, 0.3]}
    engine = opened("optuna", sweep(space=space, engine={"sampler": sampler}, warm_start=[]))
    asked = []
    while (proposal := engine.ask()) is not None:
        asked.append(tuple(proposal.params.items()))
        engine.tell(record(proposal.number, proposal.params))
    assert len(asked) == len(set(asked)) == 4


@pytest.mark.slow
def test_keras_tuner_tries_a_finite_space_once() -> None:
    space = {"architecture": ["model1", "model2"], "learning_rate": [0.1, 0.3]}
    settings = sweep(
        space=space, engine={"name": "keras-tuner", "sampler": "random"}, warm_start=[]
    )
    engine = opened("keras-tuner", settings)
    asked = []
    while (proposal := engine.ask()) is not None:
        asked.append(tuple(proposal.params.items()))
        engine.tell(record(proposal.number, proposal.params))
    assert len(asked) == len(set(asked)) == 4


@every
def test_an_engine_takes_a_space_without_an_architecture(name: str) -> None:
    settings = sweep()
    small = settings.model_copy(update={"space": settings.space.without("vgg16")})
    for params in run(opened(name, small), 4):
        assert "unfrozen" not in params
