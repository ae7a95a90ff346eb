"""`mineralsweep watch`: its exit codes, what is told, and the flags of the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mineralsweep.cli import watch
from mineralsweep.cli.main import main
from tests.app.test_watch import LIKE_BEFORE, VERSION, Drawing, drawn, log, reference

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _references(store_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "references_in", lambda store: {VERSION: reference()}.get)


@pytest.mark.parametrize(
    ("drawing", "n", "version", "code"),
    [
        (LIKE_BEFORE, 100, VERSION, 0),
        (Drawing(novelty=3), 49, VERSION, 0),
        (Drawing(novelty=3), 50, VERSION, 1),
        (LIKE_BEFORE, 100, "models:/m/4", 2),
    ],
)
def test_exit_codes(
    tmp_path: Path, capsys: Printed, drawing: Drawing, n: int, version: str, code: int
) -> None:
    path = log(tmp_path / "a.db", drawn(drawing, n, version=version))
    assert main(["watch", str(path)]) == code
    told = capsys.readouterr().out
    assert version in told
    assert f"new images, n = {n}" in told
    assert ("mineralsweep evaluate NEW --model models:/m/3" in told) == (code == 1)
    assert "--log-images" in told  # no image was kept
    assert main(["watch", str(path), "--json"]) == code
    [plain] = json.loads(capsys.readouterr().out)["versions"]
    assert (plain["version"], plain["new"]["n"]) == (version, n)


def test_the_verdict_is_about_the_version_that_answered_last(tmp_path: Path) -> None:
    far = drawn(Drawing(novelty=3), 60, version="models:/m/1")
    later = drawn(LIKE_BEFORE, 100)
    assert main(["watch", str(log(tmp_path / "a.db", [*far, *later]))]) == 0


def test_another_mix_of_classes_is_no_other_photographs(tmp_path: Path, capsys: Printed) -> None:
    assert main(["watch", str(log(tmp_path / "a.db", drawn(Drawing(ash=0.9), 100)))]) == 1
    assert "mix of classes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["watch", "none.db"], "none.db"),
        (["watch", "a.db", "--since", "soon"], "--since"),
        (["serve", "--log-images", "kept"], "--log FILE"),
        (["serve", "--log", "a.db", "--log-images-mb", "5"], "--log-images FOLDER"),
        (["serve", "--log", "a.db", "--log-images", "kept", "--log-images-mb", "0"], "got 0"),
        (["serve", "--log", "mlflow.db"], "mlflow.db"),
    ],
)
def test_bad_input_is_told_in_a_line(
    tmp_path: Path, capsys: Printed, words: list[str], named: str
) -> None:
    log(tmp_path / "a.db", drawn(LIKE_BEFORE, 3))
    assert main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert named in line
