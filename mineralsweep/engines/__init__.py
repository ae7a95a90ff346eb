"""Engines, by name. Naming one loads no search library; opening one does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mineralsweep.config import Sweep
from mineralsweep.engines.engine import Engine


def _optuna(sweep: Sweep, study: str, folder: Path, storage: str | None) -> Engine:
    from mineralsweep.engines.optuna import OptunaEngine

    return OptunaEngine(sweep, study, folder, storage)


def _keras_tuner(sweep: Sweep, study: str, folder: Path, storage: str | None) -> Engine:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # importing it loads TensorFlow
    from mineralsweep.engines.keras_tuner import KerasTunerEngine

    return KerasTunerEngine(sweep, study, folder, storage)


ENGINES: dict[str, Callable[[Sweep, str, Path, str | None], Engine]] = {
    "optuna": _optuna,
    "keras-tuner": _keras_tuner,
}
"""(sweep, the study's name, its folder, a database's URL or None) -> the engine."""
