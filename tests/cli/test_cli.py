"""The command: mistakes are told in one line, at once, with exit code 2."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.cli.main import main
from mineralsweep.cli.shell import next_commands
from tests.conftest import ROOT

Make = Callable[..., Path]
QUICK = str(ROOT / "sweeps" / "quick.yaml")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, demand exit code 2 and no traceback, and return what it said."""
    try:
        code = main(list(arguments))
    except SystemExit as error:
        code = int(str(error.code))
    message = capsys.readouterr().err
    assert code == 2
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) <= 2
    return message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["swep"], "swep: unknown command; did you mean 'sweep'?"),
        (["sweep"], "the following arguments are required: FILE"),
        (["sweep", QUICK, "--trails", "3"], "--trails: unknown argument; did you mean '--trials'?"),
        (["sweep", QUICK, "--trials", "x"], "--trials: must be a whole number, got 'x'"),
        (["sweep", QUICK, "--trials", "0"], "--trials: must be greater than or equal to 1, got 0"),
        (["sweep", QUICK, "--timeout", "nan"], "--timeout: must be a number, got 'nan'"),
        (["sweep", QUICK, "--data", "nowhere"], "nowhere: no such folder"),
        (["sweep", QUICK, "--engine", "optna"], "--engine: unknown value 'optna'"),
        (["sweep", QUICK, "--study", "a/b"], "--study: may hold letters"),
        (["sweep", QUICK, "--storage", "x"], "--storage: must be a database URL"),
        (["resume", "nothing"], "STUDY: no study 'nothing'; none was begun in"),
        (["resume", "a/b"], "--study: may hold letters"),
        (["sweep", "nowhere.yaml"], "nowhere.yaml: no such sweep file"),
        (["train", "--architecture", "model3"], "unknown name 'model3'; did you mean 'model2'?"),
        (["train", "--architecture", "model2", "--dropout", "0.5"], "has no hyperparameter 'drop"),
        (["train", "--dropout", "2"], "--dropout: must be from 0 to 0.95, got 2"),
        (["train", "--set", "image_size=60"], "--set image_size=60: model2_1: needs images of at"),
        (
            ["train", "--set", "space.dropout=[0.1, 0.2]"],
            "must be one value to train with, got 0.1 |",
        ),
        (["train", "--set", "data.split=50/50"], "data.split=50/50: must be train/validation/test"),
        (["train", "--architecture", "nets.py:net"], "nets.py:net: no such file: "),
        (["train", "--set", "epochs"], "--set epochs: must be key=value, such as budget.trials=40"),
        (["sweep", QUICK, "--set", "bugdet.trials=3"], "bugdet.trials=3: bugdet: unknown key; did"),
        (["sweep", QUICK, "--set", "stop.goal=[1"], "--set stop.goal=[1: not valid YAML"),
        (["sweep", QUICK, "--objective", "f1"], "--objective: unknown value 'f1'; "),
        (["reproduce", "--set", "budget.trials=3"], "budget.trials=3: is no setting of reproduce"),
        (["resume", "nothing", "--set", "seed=3"], "STUDY: no study 'nothing'"),
        (["train", "--optimizer", "adm"], "--optimizer: unknown name 'adm'; did you mean 'adam'?"),
        (["predict", "nowhere.jpg"], "nowhere.jpg: no such file"),
        (["data", "check", "nowhere"], "nowhere: no such folder"),
        (["data", "chekc", "x"], "chekc: unknown command; did you mean 'check'?"),
    ],
)
def test_a_mistake_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in refused(capsys, *arguments)
    assert not Path("mlflow.db").exists()  # no run is made


def test_a_class_too_small_stops_before_any_run(
    capsys: pytest.CaptureFixture[str], make_folder: Make
) -> None:
    folder = make_folder(2)
    told = refused(capsys, "sweep", QUICK, "--data", str(folder))
    assert "ash (2; none in" in told
    assert "beech (2; none in" in told
    assert not Path("mlflow.db").exists()


def test_no_command_prints_help_and_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "sweep" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", QUICK, "--trials", "0"]])
def test_answers_come_at_once(arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from mineralsweep.cli import main; main()", *arguments]
    started = time.monotonic()
    subprocess.run(command, capture_output=True, check=False)
    assert time.monotonic() - started < 10  # a TensorFlow import alone can take longer than that


def test_data_check_prints_sizes_and_reasons(
    capsys: pytest.CaptureFixture[str], make_folder: Make
) -> None:
    folder = make_folder(5)
    (folder / "ash" / "page.jpg").write_text("<html>")
    assert main(["data", "check", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "15 usable images, 1 skipped" in printed
    assert "PNG RGB 15" in printed
    assert "page.jpg" in printed
    assert "HTML page" in printed
    assert "median" in printed


def test_predict_names_each_file_it_cannot_use(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "page.jpg").write_text("<html>")
    message = refused(capsys, "predict", "page.jpg", "gone.jpg")
    assert "page.jpg: an HTML page" in message
    assert "gone.jpg: no such file" in message


def test_predict_without_a_champion_says_how_to_make_one(
    capsys: pytest.CaptureFixture[str], make_folder: Make
) -> None:
    picture = str(next((make_folder(1) / "ash").iterdir()))
    assert "make a champion with mineralsweep sweep" in refused(capsys, "predict", picture)


@pytest.mark.parametrize("uri", ["nosuch://user:secret@host/x", "http://user:secret@127.0.0.1:9"])
def test_a_tracking_server_out_of_reach_is_told(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    make_folder: Make,
    uri: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    picture = str(next((make_folder(1) / "ash").iterdir()))
    message = refused(capsys, "predict", picture)
    assert "MLFLOW_TRACKING_URI" in message
    assert "secret" not in message


def test_next_commands_need_no_store_named_for_the_default_one() -> None:
    lines = next_commands(
        f"sqlite:///{Path.cwd()}/mlflow.db", "models:/mineral-classifier@champion"
    )
    assert "MLFLOW_TRACKING_URI" not in lines
    other = next_commands("http://127.0.0.1:9/", "models:/m-1")
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:9/ mineralsweep predict" in other
    assert "--model models:/m-1" in other


def test_cache_shows_what_is_kept_and_clears_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mineralsweep.activations import store

    for view in range(2):
        request = store.Request(
            {"view": view}, (3, 4), lambda target: target.fill(0), name="vgg16, 448x448, block4"
        )
        store.ensure([request])
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert "vgg16, 448x448, block4: 2 arrays, used 0.0 days ago" in shown
    assert "at most 20 GiB" in shown
    assert main(["cache", "--clear"]) == 0
    assert "freed. It is made again when it is needed." in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
    assert main(["cache"]) == 0  # an empty one is no mistake


def test_cache_names_a_cap_that_is_no_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mineralsweep.activations import store

    store.folder().mkdir(parents=True)
    monkeypatch.setenv(store.CAP_VARIABLE, "lots")
    assert main(["cache"]) == 2
    assert "MINERALSWEEP_ACTIVATIONS_GIB: must be a number of GiB" in capsys.readouterr().err


def test_a_leaderboard_leaves_out_by_name_the_settings_that_have_no_room() -> None:
    import pandas as pd

    from mineralsweep.cli.study import fitting

    rows = pd.DataFrame({
        "rank": ["1"], "architecture": ["probe"], "penalty": ["0.3"], "dropout": [""],
        "state": ["COMPLETE"],
    })  # fmt: skip
    shown, missing = fitting(rows, 80)
    assert (list(shown.columns), missing) == (list(rows.columns), [])
    shown, missing = fitting(rows, 40)  # 6 + 14 + 9 + 9 + 10 are 48
    assert (list(shown.columns), missing) == (
        ["rank", "architecture", "penalty", "state"],
        ["dropout"],
    )
    shown, missing = fitting(rows, 10)
    assert list(shown.columns) == ["rank", "architecture", "state"]
    assert missing == ["penalty", "dropout"]
