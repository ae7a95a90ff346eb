"""Several objectives in a sweep file: what they may be, and what goes with them."""

from __future__ import annotations

from typing import Any

import pytest

from mineralsweep.config import Override, Sweep, build
from mineralsweep.errors import ConfigError


def sweep(overrides: list[Override] | None = None, **entries: Any) -> Sweep:
    raw = {"question": "Which is fast?", "space": {"architecture": "model2"}, **entries}
    return build(raw, "x.yaml", overrides or [])


def test_the_first_is_the_objective_and_nothing_is_pruned() -> None:
    asked = sweep(objectives=["macro_f1", "latency_ms", "size_mb"])
    assert asked.objective == "macro_f1"
    assert asked.costs == ("latency_ms", "size_mb")
    assert asked.engine.pruner == "none"
    assert asked.tolerance == 0.02
    assert sweep().costs == ()
    kept = asked.model_dump(mode="json", exclude_unset=True)
    assert build(kept, "again") == asked
    assert sweep(objectives=["loss", "size_mb"], folds=3).engine.pruner == "none"


@pytest.mark.parametrize(
    ("entries", "place", "said"),
    [
        ({"objectives": ["accuracy"]}, "objectives", "latency_ms"),
        ({"objectives": ["accuracy", "latency_ms", "latency_ms"]}, "objectives", "once"),
        ({"objectives": ["accuracy", "latency"]}, "objectives", "latency_ms"),
        ({"objectives": ["accurracy", "latency_ms"]}, "objectives", "accuracy"),
        ({"objectives": ["latency_ms", "accuracy"]}, "objectives", "begin with one of accuracy"),
        ({"tolerance": 0.1}, "tolerance", "several objectives"),
        ({"objectives": ["accuracy", "size_mb"], "objective": "loss"}, "objective", "accuracy"),
        ({"objectives": ["accuracy", "size_mb"], "engine": {"name": "keras-tuner"}},
         "objectives", "optuna"),
        ({"objectives": ["accuracy", "size_mb"], "engine": {"pruner": "median"}},
         "engine.pruner", "leave it out"),
        ({"objectives": ["accuracy", "size_mb"], "engine": {"sampler": "cmaes"}},
         "engine.sampler", "tpe"),
        ({"objectives": ["accuracy", "size_mb"], "tolerance": -0.1}, "tolerance", "0"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(
    entries: dict[str, Any], place: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=rf"x\.yaml: {place}: .*{said}"):
        sweep(**entries)
