"""Any key of a sweep file as key=value."""

from __future__ import annotations

from typing import Any

import pytest

from mineralsweep.config import build, pairs
from mineralsweep.errors import ConfigError

FILE: dict[str, Any] = {
    "question": "Is it laid over?",
    "space": {"architecture": "model2_1", "dropout": 0.3},
    "budget": {"trials": 3, "timeout": 60.0},
}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["budget.trials=40"], {"budget.trials": 40}),
        (["budget.trials=40", "data.split=60/20/20"],
         {"budget.trials": 40, "data.split": "60/20/20"}),
        (["budget.trials=40 data.split=60/20/20"], {"budget.trials": 40, "data.split": "60/20/20"}),
        (["space.dropout={low: 0.1, high: 0.5}"], {"space.dropout": {"low": 0.1, "high": 0.5}}),
        (["space.dropout={low:", "0.1,", "high:", "0.5}", "seed=1"],
         {"space.dropout": {"low": 0.1, "high": 0.5}, "seed": 1}),
        (['question="Is a=b?" seed=2'], {"question": "Is a=b?", "seed": 2}),
        (["question=What is best?"], {"question": "What is best?"}),
        (["question=Does VGG16's trunk help?", "folds=1"],
         {"question": "Does VGG16's trunk help?", "folds": 1}),
        (["image_size=[80, 96]", "budget.timeout=null"],
         {"image_size": [80, 96], "budget.timeout": None}),
    ],
)  # fmt: skip
def test_pairs_are_read_however_they_are_quoted(texts: list[str], expected: dict[str, Any]) -> None:
    assert {one.place: one.value for one in pairs(texts)} == expected


def test_they_reach_every_key_and_the_last_one_counts() -> None:
    text = "budget.trials=40 budget.timeout=null gate.find_every_class=false budget.trials=41"
    sweep = build(FILE, "x", pairs([text, "space.dropout={low: 0.1, high: 0.5}"]))
    assert (sweep.budget.trials, sweep.budget.timeout) == (41, None)
    assert not sweep.gate.find_every_class
    assert sweep.space.entries()["dropout"].bounds() == (0.1, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budget", "--set budget: must be key=value"),
        ("a b=3", "--set a: must be key=value"),
        ("seed=[1", "--set seed=.1: not valid YAML"),
        ("space={a: 1, a: 2}", "--set space=.*: not valid YAML: 'a' stands twice"),
        ("budget.trials=0", "--set budget.trials=0: must be greater than or equal to 1"),
        ("budget.trails=3", "--set budget.trails=3: unknown key; did you mean 'trials'"),
        ("bugdet.trials=3", "--set bugdet.trials=3: bugdet: unknown key; did you mean 'budget'"),
        ("space.dropout={low: 0.1, high: 1e-5}", "high: 1e-5}: high: must be .*; write 1.0e-5"),
        ("space.mixup=20", "--set space.mixup=20: must be from 0 to 10, got 20"),
        ("space.dropout.low=0.1", "--set space.dropout.low=0.1: space.dropout is 0.3"),
        ("baseline=auto", "--set baseline=auto: unknown value 'auto'; known: eligible, none"),
    ],
)
def test_a_mistake_names_its_pair(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(FILE, "x", pairs([text]))
