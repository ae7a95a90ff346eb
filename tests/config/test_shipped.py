"""Sweeps that come with the package, asked for by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mineralsweep as ms
from mineralsweep.app.session import Request
from mineralsweep.cli.main import main
from mineralsweep.config import load, locate, shipped
from mineralsweep.errors import ConfigError
from tests.conftest import ROOT

NAMES = sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))


def test_every_name_finds_its_file_from_anywhere() -> None:
    assert shipped.names() == NAMES
    for name in NAMES:
        assert locate(name) == ROOT / "sweeps" / f"{name}.yaml"
        assert load(name) == load(ROOT / "sweeps" / f"{name}.yaml")


def test_within_an_installed_package_they_are_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mineralsweep"
    shutil.copytree(ROOT / "sweeps", package / "sweeps")
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    assert locate("quick") == package / "sweeps" / "quick.yaml"


def test_a_file_of_the_users_own_wins(tmp_path: Path) -> None:
    own = (ROOT / "sweeps/quick.yaml").read_text(encoding="utf-8").replace("trials: 8", "trials: 3")
    Path("quick").write_text(own, encoding="utf-8")
    assert locate("quick") == Path("quick")
    assert load("quick").budget.trials == 3
    Path("quick").unlink()
    Path("quick").mkdir()  # a folder is no sweep file
    assert load("quick").budget.trials == 8


@pytest.mark.parametrize("path", ["nowhere.yaml", "sweeps/quick", "./quick", "a/b.yaml"])
def test_a_path_is_never_taken_for_a_name(path: str) -> None:
    assert locate(path) == Path(path)
    with pytest.raises(ConfigError, match="no such sweep file"):
        load(path)


def test_a_file_that_the_package_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sweeps/cnn\.yaml: .* needs its name alone: cnn"):
        load("sweeps/cnn.yaml")


def test_an_unknown_name_is_told_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sweep", "quikc"]) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert ", ".join(NAMES) in told
    with pytest.raises(ConfigError, match="quikc: no such sweep file here"):
        ms.sweep("quikc")
    assert not Path("mlflow.db").exists()


def test_the_command_and_python_begin_the_packages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def begun(request: Request, *rest: object) -> object:
        asked.append(request)
        raise ConfigError("far enough")

    monkeypatch.setattr("mineralsweep.app.sweep.run_sweep", begun)
    assert main(["sweep", "cnn", "--trials", "2"]) == 2
    with pytest.raises(ConfigError, match="far enough"):
        ms.sweep("cnn", overrides={"budget.trials": 2})
    for request in asked:
        assert request.config == ROOT / "sweeps" / "cnn.yaml"
        assert request.name().startswith("cnn-")
        assert request.sweep.budget.trials == 2
    assert len(asked) == 2
