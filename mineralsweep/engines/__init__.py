"""Engines, by name. Naming one loads no search library; opening one does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mineralsweep.config import Sweep
from mineralsweep.engines.engine import Engine


def _optuna(
    sweep: Sweep, study: str, folder: Path, storage: str | None, fingerprint: Mapping[str, str]
) -> Engine:
    from mineralsweep.engines.optuna import OptunaEngine

    return OptunaEngine(sweep, study, folder, storage, fingerprint)


ENGINES = {"optuna": _optuna}
