"""A space's entries become the questions of one trial."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from mineralsweep.config import Choices, Range, Space
from mineralsweep.config.distributions import describe, distribution, grid, propose


def space(**entries: Any) -> Space:
    return Space.model_validate(entries)


ALL = space(
    architecture=["model1", "model2", "model2_1", "vgg16"],
    learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
    dropout={"low": 0.1, "high": 0.5},
    augmentation=0,
    unfrozen=[0, 4, 8],
)


@pytest.mark.parametrize(
    ("architecture", "asked"),
    [
        ("model1", {"architecture", "learning_rate"}),
        ("model2", {"architecture", "learning_rate"}),
        ("model2_1", {"architecture", "learning_rate", "dropout"}),
        ("vgg16", {"architecture", "learning_rate", "dropout", "unfrozen"}),
    ],
)
def test_a_trial_is_asked_only_for_what_its_architecture_has(
    architecture: str, asked: set[str]
) -> None:
    questions = []

    def choose(name: str, entry: Range | Choices) -> Any:
        questions.append(name)
        return architecture if name == "architecture" else entry.bounds()[0]

    params = propose(ALL, choose)
    assert set(questions) == asked
    constants = {"augmentation"} if architecture in ("model2_1", "vgg16") else set()
    assert params.keys() == asked | constants


def test_a_constant_of_zero_is_filled_in_and_not_asked_for() -> None:
    found = propose(space(architecture="model2_1", augmentation=0), lambda *_: pytest.fail("asked"))
    assert found == {"architecture": "model2_1", "augmentation": 0.0}


def test_the_grid_has_each_distinct_trial_once() -> None:
    points = grid(space(architecture=["model2", "vgg16"], unfrozen=[0, 4], learning_rate=[1e-3]))
    assert points == [
        {"architecture": "model2", "learning_rate": 1e-3},
        {"architecture": "vgg16", "learning_rate": 1e-3, "unfrozen": 0},
        {"architecture": "vgg16", "learning_rate": 1e-3, "unfrozen": 4},
    ]


def test_a_stepped_range_is_a_ladder() -> None:
    points = grid(space(architecture="model2_1", dropout={"low": 0.1, "high": 0.5, "step": 0.2}))
    assert [point["dropout"] for point in points] == pytest.approx([0.1, 0.3, 0.5])


def test_entries_become_optuna_s_distributions() -> None:
    assert distribution("learning_rate", Range(low=1e-4, high=1e-2, log=True)) == (
        optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
    )
    assert distribution("batch_size", Range(low=8, high=32, step=8)) == (
        optuna.distributions.IntDistribution(8, 32, step=8)
    )
    assert distribution("unfrozen", Choices(choices=(0, 4))) == (
        optuna.distributions.CategoricalDistribution((0, 4))
    )


def test_an_entry_is_described_the_same_way_for_the_same_values() -> None:
    assert describe(Range(low=1e-4, high=1e-2, log=True)) == "0.0001 to 0.01, log"
    assert describe(Choices(choices=(0, 4))) == "0 | 4"
