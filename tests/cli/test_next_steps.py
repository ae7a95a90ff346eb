"""The last lines of a sweep: they name the version that it made, whoever is champion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from mineralsweep.app.sweep import SweepOutcome
from mineralsweep.cli.registry import ways_on
from mineralsweep.cli.shell import next_commands, with_store
from mineralsweep.cli.study import _show_champion
from mineralsweep.config import Gate, build
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.registry import Crowned, Versions, rollback
from tests.registry.test_crowning import Sweeping

pytestmark = pytest.mark.usefixtures("store_made")


def shown(sweeping: Sweeping, crowned: Crowned) -> tuple[str, str]:
    """Return what is printed of a sweep's best trial, and the model of the next commands."""
    sweep = build({"question": "Which?", "space": {"architecture": "model2"}}, "test")
    outcome = SweepOutcome(
        "s", sweeping.store, "r", [], pd.DataFrame(), crowned, (), 1.0, sweep, []
    )
    console = Console(width=300, soft_wrap=True)
    with console.capture() as captured:
        uri = _show_champion(console, outcome)
    return captured.get(), uri


def test_the_next_commands_name_the_version_that_was_made(
    tmp_path: Path, make_folder: Callable[..., Path]
) -> None:
    data = open_dataset(DataSettings(str(make_folder(20)), "40/20/40", 0))
    sweeping = Sweeping(tmp_path / "models", data)
    first = sweeping.end(wrong=3)
    said, uri = shown(sweeping, first)
    assert uri == "models:/mineral-classifier@champion"
    assert "Champion: " in said
    second = sweeping.end(wrong=5)
    said, uri = shown(sweeping, second)
    assert uri == "models:/mineral-classifier/2"
    assert "@champion is version 1, not version 2" in said
    assert "mineralsweep promote 2 --force --reason TEXT" in said
    # The alias moves: what an earlier session was told does not count any more.
    third = sweeping.end(wrong=0, rules=Gate(alpha=0.3))
    assert third.decision.takes
    assert shown(sweeping, first)[1] == "models:/mineral-classifier/1"
    rollback(Versions(sweeping.store))
    said, uri = shown(sweeping, third)
    assert uri == "models:/mineral-classifier/3"
    assert "@champion is version 1, not version 3" in said
    assert "Champion: " not in said
    assert len(ways_on(third.decision, "mineral-classifier", "s")) == 1


def test_commands_find_the_store_that_was_written_to() -> None:
    assert with_store(f"sqlite:///{Path.cwd()}/mlflow.db") == ""
    assert with_store("http://u:secret@h:1/") == "MLFLOW_TRACKING_URI='http://u:***@h:1/' "
    assert "open http://h:1/" in next_commands("http://h:1/", "models:/m-1")
