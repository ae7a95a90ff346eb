"""`mineralsweep predict`: what is printed, where answers go, and with which exit code it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.app.answers import Answer
from mineralsweep.app.predict import Predicted
from mineralsweep.cli import predict
from mineralsweep.cli.main import main
from mineralsweep.data.sources.unlabelled import Unlabelled
from tests.fakes import FakeModel

Make = Callable[..., Path]
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    """Return the model that answers in place of a registered one."""
    fake = FakeModel()
    monkeypatch.setattr(predict, "Model", lambda uri: fake)
    return fake


def test_few_images_have_a_line_each(capsys: Printed, make_folder: Make) -> None:
    assert main(["predict", str(make_folder(5))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 15
    assert lines[0].startswith("ash/000.png: red 0.")
    assert "(red 0." in lines[0]


def test_many_images_have_a_summary(capsys: Printed, make_folder: Make) -> None:
    folder = make_folder(10)
    (folder / "ash" / "page.jpg").write_text("<html>")
    assert main(["predict", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "31 images: other 20, red 10; 1 unusable" in out
    assert "ash/page.jpg: an HTML page" in out
    assert "ash/000.png" not in out
    assert "--csv" in err  # at the beginning: nothing but counts is kept


def test_answers_go_to_a_table_and_images_to_folders(
    capsys: Printed, make_folder: Make, model: FakeModel
) -> None:
    folder = make_folder(10)
    command = ["predict", str(folder), "--csv", "a.csv"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "Wrote a.csv" in out
    assert f"Next: mineralsweep predict {folder} --csv a.csv --sort sorted" in out
    assert main([*command, "--sort", "sorted", "--link"]) == 0
    out = capsys.readouterr().out
    assert "not asked again: 30" in out
    assert "Next: mineralsweep data check sorted" in out
    assert len(model.asked) == 30
    assert len(list(Path("sorted").glob("*/*.png"))) == 30


def test_json_has_an_object_an_image(capsys: Printed, make_folder: Make) -> None:
    folder = make_folder(2)
    (folder / "ash" / "page.jpg").write_text("<html>")
    assert main(["predict", "--json", "--csv", "a.csv", str(folder)]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 7
    assert rows[0]["probabilities"].keys() == {"red", "other"}
    assert [row["verdict"] for row in rows] == ["", "", "unusable", "", "", "", ""]
    assert "Wrote a.csv" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["photos"], 0),  # page.jpg is one of many
        (["photos/ash/000.png", "photos/ash/page.jpg"], 2),
        (["photos/ash/000.png", "gone.jpg"], 2),
        (["photos/ash/*.*"], 0),
        (["photos/ash/*.jpg"], 2),  # none of all
        (["list.csv"], 0),
    ],
)
def test_exit_codes(make_folder: Make, arguments: list[str], code: int) -> None:
    (make_folder(2) / "ash" / "page.jpg").write_text("<html>")
    Path("list.csv").write_text("file\nphotos/ash/000.png\ngone.jpg\n")
    assert main(["predict", *arguments]) == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos", "--link"], "--link: needs --sort"),
        (["photos", "--again"], "--again: needs --csv"),
        (["photos", "--sort", "photos/sorted"], "--sort: photos/sorted lies in photos"),
        (["photos", "--csv", "photos"], "--csv: photos can't be read"),
        (["photos", "--csv", "list.csv"], "no table that predict wrote"),
        (["empty"], "empty: no files in it"),
        (["list.csv", "--column", "fil"], "did you mean 'file'?"),
    ],
)
def test_a_mistake_is_told_before_any_image_is_asked(
    capsys: Printed, make_folder: Make, model: FakeModel, arguments: list[str], message: str
) -> None:
    make_folder(2)
    Path("empty").mkdir()
    Path("list.csv").write_text("file\nphotos/ash/000.png\n")
    assert main(["predict", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert model.asked == []


def test_where_it_breaks_off_what_is_kept_is_told(
    capsys: Printed, make_folder: Make, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(10)
    answer = model.ask

    def stopped(contents: list[bytes]) -> list[object]:
        if model.asked:
            raise KeyboardInterrupt
        return [*answer(contents)]

    monkeypatch.setattr(model, "ask", stopped)
    assert main(["predict", str(folder), "--csv", "a.csv"]) == 130
    assert "16 answers are in a.csv" in capsys.readouterr().err
    monkeypatch.setattr(model, "ask", answer)
    assert main(["predict", str(folder), "--csv", "a.csv"]) == 0
    assert len(model.asked) == 30


def test_progress_without_a_terminal_is_a_line_now_and_then(
    capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(predict.time, "monotonic", lambda: now[0])
    source = Unlabelled(Path("a"), "a", "folder")
    with predict._Progress(100, hidden=False) as progress:
        for number in range(70):
            now[0] += 1
            progress.add(Predicted(source, Answer("a", "/"), earlier=number < 20))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("31 of 100 images | 1.0 a second | about 69 s left")
    assert len(lines) == 2
