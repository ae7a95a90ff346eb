"""Points that are tried first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mineralsweep.config import Choices, Range, Sweep, build
from mineralsweep.core.hyperparameter import Params
from mineralsweep.engines import ENGINES
from mineralsweep.engines.archive import records_of
from mineralsweep.errors import ConfigError
from tests.contracts.test_engines import record

RATE = {"low": 1e-4, "high": 1e-2, "log": True}


def sweep(space: dict[str, Any] | None = None, **more: Any) -> Sweep:
    raw = {
        "question": "What is tried first?",
        "space": {"architecture": ["model2", "model2_1"], "learning_rate": RATE,
                  "dropout": [0.2, 0.5], **(space or {})},
        **more,
    }  # fmt: skip
    return build(raw, "x.yaml")


def asked(settings: Sweep, trials: int, study: str = "s") -> list[Params]:
    engine = ENGINES[settings.engine.name](settings, study, Path("studies"), None)
    found = []
    for _ in range(trials):
        proposal = engine.ask()
        if proposal is None:
            break
        found.append(proposal.params)
        engine.tell(record(proposal.number, proposal.params))
    return found


def test_the_studys_own_settings_come_first() -> None:
    first = asked(sweep(), 3)
    assert first[:2] == [
        {"architecture": "model2", "learning_rate": 1e-3},
        {"architecture": "model2_1", "learning_rate": 1e-3, "dropout": 0.5},
    ]
    assert first[2] not in first[:2]


def test_an_architecture_whose_settings_lie_outside_is_passed_over() -> None:
    assert sweep({"dropout": [0.1, 0.2]}).first_points() == [
        {"architecture": "model2", "learning_rate": 1e-3}
    ]
    assert sweep({"batch_size": 16}).first_points() == []


def test_an_empty_list_turns_it_off() -> None:
    assert sweep(warm_start=[]).first_points() == []
    assert asked(sweep(warm_start=[]), 1)[0]["learning_rate"] != 1e-3


def test_what_a_point_leaves_open_is_drawn() -> None:
    settings = sweep(warm_start=[{"architecture": "model2_1", "dropout": 0.2}])
    first, second = asked(settings, 2)
    assert (first["architecture"], first["dropout"]) == ("model2_1", 0.2)
    assert 1e-4 <= float(first["learning_rate"]) <= 1e-2
    assert second != first


def test_a_point_of_an_architecture_that_was_left_out_is_passed_over() -> None:
    points = [{"architecture": "model2"}, {"architecture": "model2_1"}]
    settings = sweep(warm_start=points)
    space = settings.space.without("model2")
    assert settings.model_copy(update={"space": space}).first_points() == points[1:]


def test_a_grid_begins_with_what_agrees() -> None:
    grid = {"sampler": "grid"}
    ladder = {"learning_rate": [1e-3, 1e-2]}
    plain = asked(sweep(ladder, engine=grid), 20)
    first = asked(sweep(ladder, engine=grid, warm_start=[plain[3]]), 20, study="t")
    assert first[0] == plain[3]
    assert plain[0] == {"architecture": "model2", "learning_rate": 1e-3}
    assert sorted(map(str, first)) == sorted(map(str, plain))
    assert len(plain) == 6


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"learning_rate": 1e-3}, "warm_start.0: must name its architecture: model2, model2_1"),
        (
            {"architecture": "model2", "learning_rte": 1e-3},
            "warm_start.0.learning_rte: is not in the space; did you mean 'learning_rate'",
        ),
        (
            {"architecture": "model2", "learning_rate": 1.0},
            "warm_start.0.learning_rate: lies outside of space.learning_rate, got 1.0",
        ),
        (
            {"architecture": "model2", "learning_rate": "1e-3"},
            r"warm_start.0.learning_rate: lies outside .* got '1e-3'; write 1.0e-3",
        ),
        (
            {"architecture": "model2", "dropout": 0.2},
            "warm_start.0.dropout: model2 does not have it; leave it out",
        ),
        (
            {"architecture": "vgg16"},
            "warm_start.0.architecture: lies outside of space.architecture, got 'vgg16'",
        ),
    ],
)
def test_a_wrong_point_is_refused_with_its_place(point: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sweep(warm_start=[point])


def test_holds_knows_ranges_ladders_and_choices() -> None:
    ladder = Range(low=0.0, high=1.0, step=0.1)
    assert ladder.holds(0.3)
    assert not ladder.holds(0.35)
    assert not ladder.holds("0.3")
    assert Range(low=0.0, high=1.0).holds(1.0)
    assert not Choices(choices=(1, 2)).holds(3)


def test_an_older_study_that_cannot_be_read_names_its_flag(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--warm-start: study 'old' can't be read"):
        records_of("old", tmp_path, None)
    with pytest.raises(ConfigError, match=r"^--warm-start: study 'old' can't be read: --storage"):
        records_of("old", tmp_path, "sqlite:////nowhere/at/all.db")
