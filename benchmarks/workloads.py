"""The searches that are timed, as sweep files hold them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RATE = {"low": 1e-5, "high": 1e-3, "log": True}
DROPOUT = {"low": 0.2, "high": 0.6}


@dataclass(frozen=True)
class Workload:
    """One search, and what it is to show.

    Attributes:
        sweep: its sweep file, less data, weights and question.
        target: how many times faster than the plain script ours is meant to be.
        weights: of VGG16's trunk: "random" ones, or "imagenet".
        to_accuracy: compare the time to the plain script's best accuracy, not the whole time.
        whole: the plain script is run to its end; what follows is for those that are not.
        peer_trials: the plain script is timed on so many trials ...
        peer_epochs: ... of so many epochs, and scaled to the whole.
        reference_trials: so many of the search's trials are trained to their end to know what
            accuracy the plain script would have reached when; its clock is its own, scaled.
        points: settings that the plain script must try first, so that each kind is timed.
    """

    name: str
    title: str
    sweep: dict[str, Any]
    target: float
    weights: str = "random"
    to_accuracy: bool = False
    whole: bool = False
    peer_trials: int = 2
    peer_epochs: int = 4
    reference_trials: int = 0
    points: list[dict[str, Any]] = field(default_factory=list)


def _vgg16(unfrozen: Any) -> dict[str, Any]:
    return {"architecture": "vgg16", "unfrozen": unfrozen, "learning_rate": RATE,
            "dropout": DROPOUT, "augmentation": 1.0}  # fmt: skip


MODEL2_1 = {
    "architecture": "model2_1",
    "learning_rate": {"low": 1e-4, "high": 3e-3, "log": True},
    "dropout": DROPOUT,
    "augmentation": {"low": 0.0, "high": 1.0, "step": 0.25},
}
NO_PRUNING = {"pruner": "none"}

WORKLOADS = {
    one.name: one
    for one in (
        Workload(
            "vgg16_frozen",
            "VGG16 frozen, 20 trials x 30 epochs, no pruning",
            {"space": _vgg16(0), "budget": {"trials": 20, "epochs": 30}, "engine": NO_PRUNING},
            target=30,
            peer_trials=1,
            peer_epochs=3,
        ),
        Workload(
            "vgg16_depths",
            "VGG16 with ImageNet weights, depth 0, 4 or 8, 9 trials x 10 epochs, our defaults",
            {"space": _vgg16([0, 4, 8]), "budget": {"trials": 9, "epochs": 10}},
            target=20,
            weights="imagenet",
            to_accuracy=True,
            whole=True,
            points=[{"unfrozen": depth} for depth in (0, 4, 8)],
        ),
        Workload(
            "model2_1",
            "model 2.1, 12 trials x 20 epochs, no pruning",
            {"space": MODEL2_1, "budget": {"trials": 12, "epochs": 20}, "engine": NO_PRUNING},
            target=3,
            peer_trials=2,
            peer_epochs=8,
        ),
        Workload(
            "model2_1_pruned",
            "model 2.1, 27 trials x up to 30 epochs, our defaults",
            {"space": MODEL2_1, "budget": {"trials": 27, "epochs": 30}},
            target=6,
            to_accuracy=True,
            reference_trials=27,
            peer_trials=2,
            peer_epochs=8,
        ),
    )
}


def photographs() -> str:
    """Return the folder of real photographs, or "sample" where there is none."""
    return _shared("MINERALSWEEP_PHOTOS", "minerals") or "sample"


def imagenet() -> str:
    """Return the folder of real weights, or "imagenet", which downloads them."""
    return _shared("MINERALSWEEP_WEIGHTS", "weights") or "imagenet"


def _shared(variable: str, name: str) -> str:
    folder = Path(os.environ.get(variable, ROOT.parent / "shared" / name))
    return str(folder.resolve()) if folder.is_dir() else ""


def sweep_file(workload: Workload, weights: str, **changes: Any) -> dict[str, Any]:
    """Return the workload as a sweep file's content; `changes` replace whole sections."""
    return {
        "question": f"How fast is {workload.title}?",
        "data": {"source": photographs(), "split": "40/20/40"},
        "image_size": [180, 180],
        "weights": weights,
        **workload.sweep,
        **changes,
    }
