"""Engines, by name. Naming one loads no search library; opening one does."""

from __future__ import annotations

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
) -> Engine:
    from mineralsweep.engines.optuna import OptunaEngine

    return OptunaEngine(sweep, study, folder, storage, fingerprint, driver, is_dead)


ENGINES = {"optuna": _optuna}
