"""Sweep files: strict, frozen, and every error with its place, rule, value and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from mineralsweep.config import Override, Sweep, build, load
from mineralsweep.core.objective import OBJECTIVES
from mineralsweep.errors import ConfigError

GOOD: dict[str, Any] = {
    "question": "Is it read?",
    "image_size": [96, 96],
    "space": {
        "architecture": ["model2", "model2_1"],
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "dropout": 0.3,
    },
    "budget": {"trials": 3, "epochs": 2},
}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read_with_defaults(tmp_path: Path) -> None:
    sweep = load(write(tmp_path, yaml.safe_dump(GOOD)))
    assert sweep.space.architectures() == ("model2", "model2_1")
    assert sweep.budget.trials == 3
    assert sweep.engine.sampler == "tpe"
    assert sweep.data.source == "sample"
    assert sweep.size_for("model2") == (96, 96)
    assert build({**GOOD, "image_size": 100}, "x").size_for("model2") == (100, 100)
    assert build({**GOOD, "image_size": "auto"}, "x").size_for("model2") == (180, 180)


def test_a_sweep_is_frozen() -> None:
    sweep = build(GOOD, "x")
    with pytest.raises(ValidationError, match="frozen"):
        sweep.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bugdet": {}}, r"x: bugdet: unknown key; did you mean 'budget'\?"),
        ({"space.dropuot": 0.3}, r"x: space.dropuot: unknown key; did you mean 'dropout'\?"),
        (
            {"space.learning_rate": {"low": 1e-4, "hihg": 1e-2}},
            r"space.learning_rate.hihg: unknown key; did you mean 'high'\?",
        ),
        ({"space.learning_rate": {"low": 1e-4}}, r"space.learning_rate.high: must be given"),
        ({"space.learning_rate": {"low": 0.1, "high": 0.01}}, "low must be less than high"),
        ({"space.learning_rate": {"low": 0.0, "high": 1.0, "log": True}}, "must be above 0"),
        ({"space.learning_rate": "1e-3"}, r"got the text '1e-3'; write 1.0e-3"),
        ({"space.learning_rate": {"low": "1e-5", "high": 1.0}}, r"got '1e-5'; write 1.0e-5"),
        ({"space.dropout": 3}, r"space.dropout: must be from 0 to 0.95, got 3"),
        ({"space.augmentation": [0, 2]}, r"space.augmentation: must be from 0 to 1, got 2"),
        (
            {"space.architecture": "vgg16", "space.unfrozen": [0, 2.5]},
            r"space.unfrozen: must be a whole number, got 2.5",
        ),
        (
            {"space.architecture": "vgg16", "space.unfrozen": 19},
            r"space.unfrozen: must be from 0 to 18, got 19",
        ),
        ({"space.architecture": "modle2"}, r"unknown name 'modle2'; did you mean 'model2'\?"),
        ({"space.architecture": {"low": 0, "high": 1}}, "takes names, not a range"),
        ({"space.optimizer": "adm"}, r"space.optimizer: unknown name 'adm'; did you mean 'adam'\?"),
        ({"space.dropout": [0.1, 0.1]}, "choices must differ"),
        ({"budget.trials": 0}, "budget.trials: must be greater than or equal to 1, got 0"),
        ({"budget.trials": "many"}, "budget.trials: must be a valid integer, got 'many'"),
        ({"space.unfrozen": [0, 4]}, "none of model2, model2_1 has it; leave it out, or add vgg16"),
        ({"space.batch_size": {"low": 8, "high": 16, "step": 2.5}}, "step must be a whole number"),
        ({"engine.pruner": "meidan"}, r"engine.pruner: unknown value 'meidan'; did you mean 'med"),
        (
            {"engine.pruner_patience": 7},
            "engine.pruner_patience: the pruner median does not use it, got 7; leave it out, or set"
            " engine.pruner to patience",
        ),
        (
            {"engine.pruner": "patience", "engine.pruner_patience": 0},
            "engine.pruner_patience: must be greater than or equal to 1, got 0",
        ),
        ({"engine.sampler": "grid"}, "space.learning_rate: the grid sampler needs choices"),
        ({"image_size": [60, 60]}, r"image_size: model2: needs images of at least 78 x 78"),
        (
            {"image_size": [96]},
            "must be auto, or height and width from 1 to 2048 pixels",
        ),
        ({"image_size": "big"}, "image_size: must be auto"),
        ({"data.classes": "ash"}, "data.classes: must be a list, got 'ash'"),
        ({"space.dropout": [[1]]}, "space.dropout.choices.0: must be a valid number"),
        ({"data.split": "40/20/30"}, r"data.split: must be train/validation/test"),
        ({"question": ""}, "question: must have at least 1 character"),
        ({"seed": -1}, "seed: must be greater than or equal to 0"),
        ({"workers": True}, "workers: must be auto, or a whole number from 1 to 256, got True"),
        ({"workers": 0}, "workers: must be auto, or a whole number from 1 to 256, got 0"),
        ({"training": {"precision": "half"}}, "training.precision: unknown value 'half'"),
        ({"training": {"views": -1}}, "training.views: must be greater than or equal to 0"),
        ({"training": {"head_epoch": 1}}, "unknown key; did you mean 'head_epochs'?"),
    ],
)
def test_each_mistake_is_named_with_its_place(change: dict[str, Any], message: str) -> None:
    raw = yaml.safe_load(yaml.safe_dump(GOOD))
    for place, value in change.items():
        *parents, name = place.split(".")
        target = raw
        for parent in parents:
            target = target.setdefault(parent, {})
        target[name] = value
    with pytest.raises(ConfigError, match=message):
        build(raw, "x")


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build({**GOOD, "seed": -1, "workers": 0, "extra": 1}, "x")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question: a\nquestion: b\n", "'question' stands twice"),
        ("[1, 2]", "must hold entries"),
        ("", "must hold entries"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system ['echo']", "not valid YAML"),
        ("[" * 5000, "nested too deeply|not valid YAML"),
    ],
)
def test_what_is_no_sweep_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path / "x.yaml")


def test_a_missing_file_suggests_a_near_one(tmp_path: Path) -> None:
    write(tmp_path, "a: 1")
    with pytest.raises(ConfigError, match=r"no such sweep file; did you mean '.*x\.yaml'\?"):
        load(tmp_path / "xx.yaml")


def test_flags_are_laid_over_and_named_in_errors() -> None:
    overrides = [
        Override("budget.trials", 7, "--trials"),
        Override("data.source", "minet", "--data"),
        Override("seed", None, "--seed"),
    ]
    sweep = build(GOOD, "x", overrides)
    assert (sweep.budget.trials, sweep.data.source, sweep.seed) == (7, "minet", 0)
    with pytest.raises(ConfigError, match=r"^--trials: must be greater"):
        build(GOOD, "x", [Override("budget.trials", 0, "--trials")])


def test_overrides_do_not_change_the_file_s_data() -> None:
    build(GOOD, "x", [Override("budget.trials", 7, "--trials")])
    assert GOOD["budget"]["trials"] == 3


def test_the_metric_follows_the_objective() -> None:
    assert build(GOOD, "x").metric() == "val_accuracy"
    assert build({**GOOD, "objective": "loss"}, "x").metric() == "val_loss"
    assert build({**GOOD, "objective": "min_recall"}, "x").metric() == "val_min_recall"
    assert isinstance(build(GOOD, "x"), Sweep)


def test_an_unknown_objective_suggests_a_near_one() -> None:
    with pytest.raises(ConfigError, match=r"objective: unknown value 'macro-f1'; did you mean"):
        build({**GOOD, "objective": "macro-f1"}, "x")


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_any_objective_may_have_a_goal(objective: str) -> None:
    for goal in (-0.5, 0.0, 0.9):
        sweep = build({**GOOD, "objective": objective, "stop": {"goal": goal}}, "x")
        assert sweep.stop.goal == goal
    with pytest.raises(ConfigError, match=r"stop.goal: must be a finite number"):
        build({**GOOD, "stop": {"goal": float("inf")}}, "x")


def test_the_baseline_may_become_champion_by_default() -> None:
    assert build(GOOD, "x").baseline == "eligible"
    assert build(GOOD, "x").gate.find_every_class
    with pytest.raises(ConfigError, match="baseline: unknown value 'auto'; known: eligible, none"):
        build({**GOOD, "baseline": "auto"}, "x")


def test_workers_may_be_left_to_the_machine() -> None:
    for given in ({}, {"workers": "auto"}):
        assert build({**GOOD, **given}, "x").workers is None
    assert build({**GOOD, "workers": 3}, "x").workers == 3


def test_the_deepest_cut_is_that_of_the_space() -> None:
    vgg16 = {"architecture": "vgg16"}
    assert build({**GOOD, "space": vgg16}, "x").deepest() == {}
    assert build({**GOOD, "space": {**vgg16, "unfrozen": [0, 8, 4]}}, "x").deepest() == {
        "unfrozen": 8
    }
    ladder = {"low": 0, "high": 12, "step": 4}
    assert build({**GOOD, "space": {**vgg16, "unfrozen": ladder}}, "x").deepest() == {
        "unfrozen": 12
    }


def test_a_trial_s_resources_are_read_with_their_units() -> None:
    asked = {"cpus": 2, "gpus": 0.5, "memory": "4GiB"}
    sweep = Sweep.model_validate(GOOD | {"executor": "ray", "resources": asked})
    assert (sweep.resources.cpus, sweep.resources.gpus) == (2, 0.5)
    assert sweep.resources.memory == 4 * 2**30
    again = Sweep.model_validate(sweep.model_dump(exclude_unset=True, mode="json"))
    assert again.resources == sweep.resources


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"resources": {"memory": "4 gigs"}}, "such as 4GiB"),
        ({"resources": {"cpus": 0}}, "greater than or equal to 1"),
        ({"address": "10.0.0.5:6379"}, "executor: ray"),
    ],
)
def test_resources_and_addresses_that_make_no_sense_are_refused(
    change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        Sweep.model_validate(GOOD | change)
