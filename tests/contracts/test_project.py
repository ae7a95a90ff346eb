"""Everything declared is used: MLproject's parameters, conda.yaml's pins, the sweep files."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.projects.utils import load_project

from mineralsweep.cli.main import command_parser, main
from mineralsweep.config import load, pairs
from mineralsweep.models import ARCHITECTURES
from tests.conftest import ROOT

PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
ENTRY_POINTS = PROJECT["entry_points"]
SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))
PINS = next(
    entry["pip"]
    for entry in yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    if isinstance(entry, dict)
)


TYPED = {
    "architecture": "model2", "data": "photos", "config": "sweeps/cnn.yaml",
    "learning_rate": "0.01",
    "dropout": "0.1", "augmentation": "0.5", "unfrozen": "4", "trials": "3", "epochs": "2",
    "workers": "1", "study": "granite", "seed": "7", "weights": "none", "timeout": "60.5",
    "objective": "macro_f1", "set": "budget.trials=40 data.split=60/20/20",
}  # fmt: skip
"""The parameters that people give with -P, and the entry points in which each means something."""
OF = {
    "main": {"architecture", "data", "learning_rate", "dropout", "augmentation", "unfrozen",
             "epochs", "seed", "weights", "objective", "study", "set"},
    "sweep": {"config", "data", "trials", "epochs", "workers", "study", "seed", "weights",
              "timeout", "objective", "set"},
    "resume": {"study", "trials", "workers", "timeout", "set"},
    "reproduce": {"data", "epochs", "workers", "study", "weights", "set"},
    "report": {"study"},
}  # fmt: skip


def parse(name: str, given: dict[str, str]) -> dict[str, Any]:
    """Return what the command reads where MLflow runs an entry point with parameters."""
    project = load_project(str(ROOT))
    command = project.get_entry_point(name).compute_command(given, None)
    words = shlex.split(command.split("mineralsweep ", 1)[1])
    options = vars(command_parser(words).parse_args(words))
    return {name: value for name, value in options.items() if name not in ("command", "parser")}


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_every_parameter_that_people_give_reaches_the_command(name: str) -> None:
    given = {key: TYPED[key] for key in OF[name]}
    options = parse(name, given)
    for key, value in given.items():
        read = options["file" if key == "config" else key]
        assert str(read if key != "set" else read[0]) == value
    if "set" in given:
        overrides = pairs(options["set"])
        assert [(one.place, one.value) for one in overrides] == [
            ("budget.trials", 40), ("data.split", "60/20/20"),
        ]  # fmt: skip


def test_all_sixteen_mean_something_somewhere() -> None:
    assert set().union(*OF.values()) == TYPED.keys()
    assert OF.keys() == ENTRY_POINTS.keys()


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_mlflow_shows_no_parameter_that_was_not_given_but_real_defaults(name: str) -> None:
    declared = ENTRY_POINTS[name].get("parameters", {})
    defaults = {key: one["default"] for key, one in declared.items() if "default" in one}
    expected = {"main": {"architecture": "model2_1", "data": "sample"},
                "sweep": {"config": "sweeps/quick.yaml"}}  # fmt: skip
    assert defaults == expected.get(name, {})


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_the_defaults_leave_every_setting_to_the_file(name: str) -> None:
    needed = {"study": "some"} if name in ("resume", "report") else {}
    options = parse(name, needed)
    given = {key for key, value in options.items() if value not in (None, [])}
    expected = {
        "main": {"architecture", "data"},
        "sweep": {"file"},
        "resume": {"study"},
        "reproduce": set(),
        "report": {"study"},
    }
    assert given == expected[name]


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_the_file_names_every_flag_that_mlflow_hands_on(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([{"main": "train"}.get(name, name), "--help"])
    usage = capsys.readouterr().out.split("\n\n")[0]
    flags = {flag.replace("-", "_") for flag in re.findall(r"\[--([\w-]+)", usage)}
    declared = ENTRY_POINTS[name].get("parameters", {}).keys()
    hyperparameters = {key for one in ARCHITECTURES.values() for key in one.hyperparameters}
    text = (ROOT / "MLproject").read_text().split("entry_points:")[0]
    listed = re.search(rf"^# +{name} +((?:.+\n)+?)(?=#   ?\w|# set)", text, re.M)
    assert listed
    words = set(re.findall(r"\w+", listed[1]))
    assert flags - declared - (hyperparameters if name == "main" else set()) <= words


@pytest.mark.slow
def test_a_run_of_mlflow_shows_what_was_given_and_no_auto(tmp_path: Path) -> None:
    """The command fails at once, in its flags; the run is there all the same."""
    store = f"sqlite:///{tmp_path}/mlflow.db"
    given = {**{key: TYPED[key] for key in OF["sweep"]}, "trials": "none"}
    flags = [word for key, value in given.items() for word in ("-P", f"{key}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", "sweep", "--env-manager", "local",
         *flags],
        env={**os.environ, "MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(ROOT),
             "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "--trials: must be a whole number, got 'none'" in done.stderr
    client = MlflowClient(store)
    experiments = [one.experiment_id for one in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    assert run.data.params.keys() == given.keys()
    assert "auto" not in run.data.params.values()


def test_there_is_one_environment_file() -> None:
    assert PROJECT["conda_env"] == "conda.yaml"
    assert "python_env" not in PROJECT
    assert not (ROOT / "python_env.yaml").exists()


def test_everything_is_pinned_and_the_pins_are_in_the_ranges() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = {Requirement(text).name: Requirement(text) for text in project["dependencies"]}
    pins = dict(pin.split("==") for pin in PINS if pin != "-e .")
    assert pins.keys() == ranges.keys()
    for name, version in pins.items():
        assert ranges[name].specifier.contains(version), name


def test_this_environment_has_the_pinned_versions() -> None:
    for pin in PINS:
        if pin != "-e .":
            name, version = pin.split("==")
            assert metadata.version(name) == version


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_file_is_valid_and_says_what_it_is_for(path: Path) -> None:
    sweep = load(path)
    assert path.read_text().startswith("# ")
    assert sweep.question.strip().endswith("?")
    assert sweep.data.source == "sample"


def test_the_sweeps_are_those_of_the_guide() -> None:
    assert {path.stem for path in SWEEPS} == {
        "quick", "best", "cnn", "fast", "vgg16", "full", "colour_texture", "compact", "keras_tuner",
    }  # fmt: skip
    named = load(ROOT / "sweeps/full.yaml").space.architectures()
    assert {name for name in named if "+" not in name} == set(ARCHITECTURES)
    for name in ("quick", "best"):  # a pretrained network comes first
        assert load(ROOT / f"sweeps/{name}.yaml").first_points()[0]["architecture"] == "probe"


def test_no_photograph_and_no_large_file_is_part_of_the_project() -> None:
    for path in (ROOT / "docs").rglob("*"):
        if path.is_file():
            assert path.stat().st_size < 2**20, path


def test_every_page_that_a_page_names_exists() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
