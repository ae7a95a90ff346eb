"""mineralsweep: honest hyperparameter sweeps for small photo collections, tracked in MLflow.

Importing the package loads neither TensorFlow nor MLflow; the modules that need them do.

For notebooks: `hypermodel`, a sweep file's networks for KerasTuner, and `MlflowTuner`, a tuner of
KerasTuner that logs to MLflow; see `mineralsweep.app.notebooks`.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["MlflowTuner", "__version__", "hypermodel"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what notebooks use when it is first asked for: it loads TensorFlow and MLflow."""
    if name in ("MlflowTuner", "hypermodel"):
        return getattr(importlib.import_module("mineralsweep.app.notebooks"), name)
    raise AttributeError(f"module 'mineralsweep' has no attribute '{name}'")
