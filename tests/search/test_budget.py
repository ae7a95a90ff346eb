"""The rules that end a sweep early, and that it says which one did."""

from __future__ import annotations

from typing import Any

import pytest

from mineralsweep.config import Stop, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import ConfigError
from mineralsweep.search.budget import reached
from tests.fakes import FakeExecutor
from tests.search.test_study import Scene, made, settings

VALUES = (0.5, 0.9, 0.7, 0.8)


def records(values: tuple[float, ...] = VALUES) -> list[TrialRecord]:
    return [made(number, "COMPLETE", value, 0.1) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("rule", "objective", "words"),
    [
        ({}, "accuracy", None),
        ({"goal": 0.95}, "accuracy", None),
        ({"goal": 0.9}, "accuracy", "goal reached: trial 1 has val_accuracy 0.900, goal 0.9"),
        ({"goal": 0.4}, "loss", None),
        ({"goal": 0.5}, "loss", "goal reached: trial 0 has val_loss 0.500, goal 0.5"),
        ({"no_progress": 3}, "accuracy", None),
        (
            {"no_progress": 2},
            "accuracy",
            "no progress: 2 trials since trial 1, val_accuracy 0.900",
        ),
        ({"cost": 4.5}, "accuracy", None),
        ({"cost": 4.0}, "accuracy", "cost reached: 4 s of training, limit 4 s"),
    ],
)
def test_each_rule(rule: dict[str, Any], objective: str, words: str | None) -> None:
    assert reached(Stop(**rule), objective, records()) == words


def test_a_pruned_or_failed_trial_is_no_progress_and_reaches_no_goal() -> None:
    ended = [*records((0.5,)), made(1, "PRUNED", 0.99, 0.1), made(2, "FAILED", None, None)]
    assert reached(Stop(goal=0.9), "accuracy", ended) is None
    assert reached(Stop(no_progress=2), "accuracy", ended) is not None
    assert reached(Stop(goal=0.9, no_progress=1), "accuracy", ended[1:]) is None


def test_rules_are_checked() -> None:
    raw = {"question": "?", "space": {"architecture": "model2"}}
    with pytest.raises(ConfigError, match=r"stop.goall: unknown key; did you mean 'goal'"):
        build({**raw, "stop": {"goall": 1}}, "x.yaml")
    with pytest.raises(ConfigError, match=r"stop.no_progress: must be greater than or equal to 1"):
        build({**raw, "stop": {"no_progress": 0}}, "x.yaml")


@pytest.mark.usefixtures("store_made")
def test_a_study_starts_no_trial_after_the_rule_and_says_so(dataset: Dataset) -> None:
    sweep = settings(trials=6).model_copy(update={"stop": Stop(goal=0.0)})
    scene = Scene(dataset, sweep, FakeExecutor())
    assert len(scene.study.run()) < 6
    assert scene.study.why_it_ended().startswith("goal reached: trial")
    again = Scene(dataset, sweep, FakeExecutor())
    again.study.run()
    assert again.executor.specs == []


@pytest.mark.usefixtures("store_made")
def test_the_ordinary_ends_are_said_too(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=2), FakeExecutor())
    scene.study.run()
    assert scene.study.why_it_ended() == "all 2 trials are done"
