"""A study's settings come back as they were, whatever the sweep file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mineralsweep.app.checks import study_folder, suited_to_machine
from mineralsweep.app.settings import FILE, Settings, check_place, read, write
from mineralsweep.config import Override, load
from mineralsweep.errors import ConfigError, StudyConflict
from tests.contracts.test_project import SWEEPS


@pytest.mark.parametrize("file", SWEEPS, ids=lambda path: path.stem)
def test_settings_come_back_as_they_were_kept(file: Path) -> None:
    kept = Settings(suited_to_machine(load(file)), file, "sqlite:///studies.db")
    write("mine", kept)
    assert read("mine") == kept
    longer = read("mine", [Override("budget.trials", 999, "--trials")])
    assert longer.sweep.budget.trials == 999
    assert longer.sweep.space == kept.sweep.space


def test_flags_are_checked(tmp_path: Path) -> None:
    write("mine", Settings(load(SWEEPS[0]), SWEEPS[0], None))
    with pytest.raises(ConfigError, match="--trials: must be greater"):
        read("mine", [Override("budget.trials", 0, "--trials")])


def test_a_near_name_is_suggested() -> None:
    write("quick-1", Settings(load(SWEEPS[0]), SWEEPS[0], None))
    with pytest.raises(ConfigError, match=r"did you mean 'quick-1'\?"):
        read("quick-2")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sweep": 3, "config": "a"}'])
def test_damaged_settings_are_refused_with_the_way_out(text: str) -> None:
    path = study_folder("mine") / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"settings\.json"):
        read("mine")


def test_a_study_is_not_begun_anew_in_another_storage() -> None:
    kept = Settings(suited_to_machine(load(SWEEPS[0])), SWEEPS[0], None)
    url = "postgresql+psycopg://sweeper:secret@127.0.0.1/optuna"
    write("mine", kept, url)
    check_place("mine", url)
    check_place("another", None)
    with pytest.raises(StudyConflict, match=r"kept in postgresql.*\*\*\*@.*, not in its folder"):
        check_place("mine", None)
