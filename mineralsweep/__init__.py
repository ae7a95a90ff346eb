"""mineralsweep: honest hyperparameter sweeps for small photo collections, tracked in MLflow.

Importing the package loads neither TensorFlow nor MLflow; the modules that need them do.

For a network of your own: `Hyperparameter` declares what a sweep may search of it, `Architecture`
says more than its function alone; see docs/sweep-files.md.

For notebooks: `hypermodel`, a sweep file's networks for KerasTuner, and `MlflowTuner`, a tuner of
KerasTuner that logs to MLflow; see `mineralsweep.app.notebooks`.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "Architecture",
    "Champion",
    "Hyperparameter",
    "ImageClassifier",
    "MlflowTuner",
    "Sweep",
    "Training",
    "__version__",
    "champion",
    "hypermodel",
    "load",
    "resume",
    "sample",
    "sweep",
    "train",
]
__version__ = "0.1.0"


_HOMES = {
    "Architecture": "mineralsweep.models.architecture",
    "Champion": "mineralsweep.app.champion",
    "Hyperparameter": "mineralsweep.core.hyperparameter",
    "ImageClassifier": "mineralsweep.app.estimator",
    "MlflowTuner": "mineralsweep.app.notebooks",
    "Sweep": "mineralsweep.app.results",
    "Training": "mineralsweep.app.results",
    "champion": "mineralsweep.app.interface",
    "hypermodel": "mineralsweep.app.notebooks",
    "load": "mineralsweep.app.interface",
    "resume": "mineralsweep.app.interface",
    "sample": "mineralsweep.app.interface",
    "sweep": "mineralsweep.app.interface",
    "train": "mineralsweep.app.interface",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: notebooks' load TensorFlow and MLflow."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mineralsweep' has no attribute '{name}'")
