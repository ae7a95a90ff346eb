"""mineralsweep report: what it refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.app import settings
from mineralsweep.app.report import write_page
from mineralsweep.cli.main import main
from mineralsweep.config import build
from mineralsweep.errors import ConfigError
from mineralsweep.tracking import open_store

pytestmark = pytest.mark.usefixtures("store_made")


def test_an_unknown_study_is_named_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "nothing"]) == 2
    assert "STUDY: no study 'nothing' here" in capsys.readouterr().err


def test_a_run_that_is_not_there_or_is_no_sweep_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["report", "0" * 32]) == 2
    assert f"STUDY: no run {'0' * 32} in sqlite" in capsys.readouterr().err
    other = open_store().new_run("of something else", {})
    assert main(["report", other]) == 2
    assert f"STUDY: run {other} is no sweep's" in capsys.readouterr().err


def test_a_study_without_a_champion_is_told_how_to_get_one(
    make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = build(
        {
            "question": "Is it over?",
            "data": {"source": str(make_folder()), "split": "60/20/20"},
            "image_size": 96,
            "space": {"architecture": "model2", "learning_rate": [1e-3, 1e-4]},
        },
        "mine.yaml",
    )
    settings.write("begun", settings.Settings(sweep, Path("mine.yaml"), None))
    assert main(["report", "begun"]) == 2
    assert "study 'begun' has no champion yet; finish it: mineralsweep resume begun" in (
        capsys.readouterr().err
    )


def test_a_file_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--out: .*nowhere/page.html can't be written"):
        write_page(tmp_path / "nowhere" / "page.html", "<html>")
