"""Engines, by name. Naming one loads no search library; opening one does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from mineralsweep.config import Sweep
from mineralsweep.engines.engine import Engine


def _optuna(
    sweep: Sweep,
    study: str,
    folder: Path,
    storage: str | None,
    fingerprint: Mapping[str, str],
    driver: str | None = None,
    is_dead: Callable[[str], bool] | None = None,
    leads: Callable[[], bool] | None = None,
) -> Engine:
    from mineralsweep.engines.optuna import OptunaEngine

    return OptunaEngine(sweep, study, folder, storage, fingerprint, driver, is_dead, leads)


def _keras_tuner(
    sweep: Sweep,
    study: str,
    folder: Path,
    storage: str | None,
    fingerprint: Mapping[str, str],
    driver: str | None = None,
    is_dead: Callable[[str], bool] | None = None,
    leads: Callable[[], bool] | None = None,  # it is never shared
) -> Engine:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # importing it loads TensorFlow
    from mineralsweep.engines.keras_tuner import KerasTunerEngine

    return KerasTunerEngine(sweep, study, folder, storage, fingerprint, driver, is_dead)


ENGINES = {"optuna": _optuna, "keras-tuner": _keras_tuner}
