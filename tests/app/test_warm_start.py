"""What a new study learns from an old one, and what it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.app.warm_start import learn_from
from mineralsweep.config import Sweep, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines import ENGINES
from mineralsweep.engines.archive import KERAS_TUNER_FILE, records_of, suited
from mineralsweep.errors import ConfigError
from mineralsweep.search.state import State, exists, folder_of


def question(**space: Any) -> Sweep:
    return build(
        {
            "question": "What was learned?",
            "image_size": 96,
            "space": {
                "architecture": "model2_1",
                "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
                "dropout": {"low": 0.0, "high": 0.5},
                **space,
            },
            "budget": {"trials": 30, "epochs": 3},
            "engine": {"pruner": "none", "startup_trials": 5},
        },
        "test",
    )


def opened(sweep: Sweep, name: str) -> Any:
    return ENGINES["optuna"](sweep, name, folder_of(name), None)


def state(name: str) -> State:
    """Return the state of a study that was begun, or of a new one."""
    return State.read(name) if exists(name) else State(name, "sweep", {})


def record(number: int, params: Any, value: float) -> TrialRecord:
    return TrialRecord(
        number, "COMPLETE", params, value, value, 1 - value, 10, 1, "", None, "", 1.0
    )


def run(engine: Any, count: int) -> list[TrialRecord]:
    """Tell trials whose value is best at a dropout of 0.25."""
    for _ in range(count):
        proposal = engine.ask()
        value = 1 - abs(float(proposal.params["dropout"]) - 0.25)
        engine.tell(record(proposal.number, proposal.params, value))
    return engine.records()  # type: ignore[no-any-return]


def begun(name: str, count: int) -> list[TrialRecord]:
    """Run a study with a state."""
    sweep = question()
    State(name, "sweep", sweep.model_dump(mode="json", exclude_unset=True)).save()
    return run(opened(sweep, name), count)


def test_an_old_study_s_trials_lead_the_new_one_and_count_nowhere() -> None:
    begun("old", 20)
    said: list[str] = []
    new = opened(question(), "new")
    learn_from("old", state("new"), new, question(), said.append)
    assert said == ["Learned from old: 20 of 20 complete trials"]
    assert new.records() == []
    records = run(new, 8)
    assert [one.number for one in records] == list(range(8))
    ignorant = run(opened(question(), "ignorant"), 8)
    # The first proposals are drawn at random where nothing is known, and near the best where it is.
    mean = sum(float(one.value or 0) for one in records) / 8
    assert mean > sum(float(one.value or 0) for one in ignorant) / 8
    assert [one.params for one in records] != [one.params for one in ignorant]


def test_what_was_learned_stays_when_the_study_is_taken_up() -> None:
    begun("old", 10)
    sweep = question()
    for name, pauses in (("through", ()), ("twice", (3,))):
        engine = opened(sweep, name)
        learn_from("old", state(name), engine, sweep, lambda line: None)
        for number in range(6):
            if number in pauses:
                engine = opened(sweep, name)
                learn_from(
                    "old", state(name), engine, sweep, lambda line: None
                )  # the same command again
            run(engine, 1)
    first, second = opened(sweep, "through").records(), opened(sweep, "twice").records()
    assert [one.params for one in first] == [one.params for one in second]


def test_trials_that_the_space_does_not_hold_are_named() -> None:
    begun("old", 12)
    narrow = question(dropout={"low": 0.0, "high": 0.2})
    said: list[str] = []
    learn_from("old", state("new"), opened(narrow, "new"), narrow, said.append)
    assert "of 12 complete trials" in said[0]
    assert "is not in the space (1x)" in said[1]
    fitting, others = suited(
        [record(0, {"architecture": "model2_1", "dropout": 0.1}, 0.5)], narrow.space, "loss"
    )
    assert (fitting, others) == ([], {0: "it had no learning_rate"})
    full = {"architecture": "model2_1", "dropout": 0.1, "learning_rate": 1e-3}
    fitting, others = suited([record(3, full, 0.75)], narrow.space, "loss")
    assert [one.value for one in fitting] == [0.25]
    foreign = {**full, "optimizer": "sgd"}
    failed = replace(record(5, full, 0.5), state="FAILED", value=None)
    assert suited([record(4, foreign, 0.5), failed], narrow.space, "accuracy") == (
        [],
        {4: "the space has no optimizer"},
    )


def test_a_study_begun_without_it_an_unknown_one_and_one_that_fits_nowhere_are_refused() -> None:
    begun("old", 3)
    sweep = question()
    new = opened(sweep, "new")
    with pytest.raises(ConfigError, match="no study 'odl'; did you mean 'old'"):
        learn_from("odl", state("new"), new, sweep, print)
    elsewhere = question(dropout={"low": 0.6, "high": 0.7})
    with pytest.raises(ConfigError, match="no complete trial of study 'old' lies in this space"):
        learn_from("old", state("there"), opened(elsewhere, "there"), elsewhere, print)
    run(new, 1)
    with pytest.raises(ConfigError, match="study 'new' was begun without old; take a new name"):
        learn_from("old", state("new"), new, sweep, print)


def test_keras_tuner_s_file_is_read_as_well(tmp_path: Path) -> None:
    from mineralsweep.engines.keras_tuner import FILE

    assert FILE == KERAS_TUNER_FILE
    kept = record(0, {"architecture": "model2_1"}, 0.5).to_dict()
    trials: list[dict[str, Any]] = [
        {"number": n, "id": str(n), "values": {}, "params": {}} for n in range(2)
    ]
    trials[0]["record"] = kept
    (tmp_path / FILE).write_text(json.dumps({"trials": trials}))
    assert [one.number for one in records_of("x", tmp_path, None)] == [0]
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ConfigError, match="--warm-start: study 'x' can't be read"):
        records_of("x", tmp_path, None)
