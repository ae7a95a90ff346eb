"""A space's entries become the questions of one trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
import pytest

from mineralsweep.config import Choices, Range, Space
from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.models import ARCHITECTURES
from mineralsweep.models.architecture import Architecture


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

    params = ALL.propose(choose)
    assert set(questions) == asked
    constants = {"augmentation"} if architecture in ("model2_1", "vgg16") else set()
    assert params.keys() == asked | constants


def test_a_constant_of_zero_is_filled_in_and_not_asked_for() -> None:
    constant = space(architecture="model2_1", augmentation=0)
    found = constant.propose(lambda *_: pytest.fail("asked"))
    assert found == {"architecture": "model2_1", "augmentation": 0.0}


def test_the_grid_has_each_distinct_trial_once() -> None:
    points = space(architecture=["model2", "vgg16"], unfrozen=[0, 4], learning_rate=[1e-3]).grid()
    assert points == [
        {"architecture": "model2", "learning_rate": 1e-3},
        {"architecture": "vgg16", "learning_rate": 1e-3, "unfrozen": 0},
        {"architecture": "vgg16", "learning_rate": 1e-3, "unfrozen": 4},
    ]


def test_a_stepped_range_is_a_ladder() -> None:
    points = space(architecture="model2_1", dropout={"low": 0.1, "high": 0.5, "step": 0.2}).grid()
    assert [point["dropout"] for point in points] == pytest.approx([0.1, 0.3, 0.5])


def test_entries_become_optuna_s_distributions() -> None:
    made = space(
        architecture="vgg16",
        learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
        batch_size={"low": 8, "high": 32, "step": 8},
        unfrozen=[0, 4],
    )
    assert made.distribution("learning_rate") == (
        optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
    )
    assert made.distribution("batch_size") == optuna.distributions.IntDistribution(8, 32, step=8)
    assert made.distribution("unfrozen") == optuna.distributions.CategoricalDistribution((0, 4))


def test_an_entry_is_described_the_same_way_for_the_same_values() -> None:
    assert Range(low=1e-4, high=1e-2, log=True).describe() == "0.0001 to 0.01, log"
    assert Choices(choices=(0, 4)).describe() == "0 | 4"


def test_the_order_of_the_file_changes_nothing() -> None:
    one = space(dropout=0.5, learning_rate=[1e-3, 1e-2], architecture="vgg16")
    assert list(one.entries()) == ["architecture", "learning_rate", "dropout"]


def test_without_an_architecture_what_only_it_has_goes_too() -> None:
    left = ALL.without("vgg16")
    assert left.architectures() == ("model1", "model2", "model2_1")
    assert left.entries().keys() == {"architecture", "learning_rate", "dropout", "augmentation"}
    assert space(architecture=["model2", "vgg16"], unfrozen=[0, 4]).without("vgg16") == (
        space(architecture="model2")
    )
    with pytest.raises(ValueError, match="no other architecture than model2"):
        left.without("model1").without("model2_1").without("model2")


def test_both_engines_have_distributions_of_what_is_left() -> None:
    from keras_tuner import HyperParameters

    from mineralsweep.engines.keras_tuner import declare

    left = ALL.without("vgg16")
    assert {name: left.distribution(name) for name in left.searched()}.keys() == (
        {"architecture", "learning_rate", "dropout"}
    )
    declared = declare(HyperParameters(), left)
    assert {one.name for one in declared.space} == {"architecture", "learning_rate", "dropout"}


def test_every_listed_architecture_s_own_rules_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = Hyperparameter("unfrozen", "int", "stages", default=0, low=0, high=5)
    for name, own in (("toy", narrow), ("odd", replace(narrow, kind="float"))):
        monkeypatch.setitem(ARCHITECTURES, name, Architecture(name, own=(own,)))
    assert space(architecture=["toy", "vgg16"], unfrozen=[0, 4])
    with pytest.raises(ValueError, match="must be from 0 to 5, got 8: of toy"):
        space(architecture=["toy", "vgg16"], unfrozen=[0, 8])
    with pytest.raises(ValueError, match="is int of vgg16, float of odd; search them in two"):
        space(architecture=["vgg16", "odd"], unfrozen=[0, 4])


def test_an_entry_knows_its_declaration() -> None:
    assert ALL.hyperparameter("unfrozen").high == 18
    assert [one.name for one in ALL.owners("dropout")] == ["model2_1", "vgg16"]


@pytest.mark.parametrize(
    ("architecture", "entry"),
    [("probe", "stages"), ("finetune", "stage"), ("probe+finetune", "stage")],
)
def test_stages_are_held_to_each_backbone_that_they_may_meet(architecture: str, entry: str) -> None:
    asked: dict[str, Any] = {"architecture": architecture, entry: ["middle", "block3"]}
    assert space(**asked, backbone="vgg16")
    with pytest.raises(ValueError, match="efficientnet_lite0: has no stage 'block3'"):
        space(**asked, backbone=["vgg16", "efficientnet_lite0"])
    with pytest.raises(ValueError, match="efficientnet_lite0: has no stage 'block3'"):
        space(**asked)  # the default backbone
