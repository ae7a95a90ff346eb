"""Specs for tests that train for real, small."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from mineralsweep.config import Training
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.search.specify import Conditions, specify
from mineralsweep.search.task import examples

SIDE = 80


def trial(dataset: Dataset, folder: Path, **changes: Any) -> TrialSpec:
    """Return a short trial of model2_1 on small pictures."""
    params: dict[str, Any] = {
        "architecture": "model2_1", "learning_rate": 1e-3, "optimizer": "adam"
    }  # fmt: skip
    conditions: dict[str, Any] = {"epochs": 2, "seed": 7}
    size, number = changes.pop("image_size", (SIDE, SIDE)), changes.pop("number", 0)
    seen = changes.pop("examples", None) or examples(dataset, size)
    own = {name: changes.pop(name) for name in Training.model_fields if name in changes}
    for field in fields(Conditions):
        if field.name in changes:
            conditions[field.name] = changes.pop(field.name)
    common = Conditions(**conditions, training=Training(**own))
    return specify({**params, **changes}, common, seen, size, folder, number)
