"""Specs for tests that train for real, small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mineralsweep.config import Training
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.search.specify import specify
from mineralsweep.search.task import examples

SIDE = 80


def trial(dataset: Dataset, folder: Path, **changes: Any) -> TrialSpec:
    """Return a short trial of model2_1 on small pictures."""
    params = {"architecture": "model2_1", "learning_rate": 1e-3, "optimizer": "adam"}
    settings: dict[str, Any] = {
        "number": 0, "epochs": 2, "patience": 0, "image_size": (SIDE, SIDE), "seed": 7,
        "weights": "none", "deepest": 0, "folder": folder,
        "examples": examples(dataset, (SIDE, SIDE)),
    }  # fmt: skip
    training = {name: changes.pop(name) for name in Training.model_fields if name in changes}
    settings["training"] = Training(**training)
    for name, value in changes.items():
        (settings if name in settings else params)[name] = value
    return specify(params, **settings)
