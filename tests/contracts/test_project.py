"""Everything declared is used: MLproject's parameters, conda.yaml's pins, the sweep files."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from mineralsweep.cli.main import _parsers
from mineralsweep.config import load
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


def parse(name: str, values: dict[str, Any]) -> argparse.Namespace:
    command = ENTRY_POINTS[name]["command"].format(**values).split("mineralsweep ", 1)[1]
    return _parsers()[0].parse_args(shlex.split(command))


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_every_parameter_reaches_the_command(name: str) -> None:
    command = ENTRY_POINTS[name]["command"]
    declared = set(ENTRY_POINTS[name]["parameters"])
    assert set(re.findall(r"{(\w+)}", command)) == declared


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_the_defaults_are_accepted_and_leave_every_setting_to_the_file(name: str) -> None:
    defaults = {
        key: parameter.get("default", "some")
        for key, parameter in ENTRY_POINTS[name]["parameters"].items()
    }
    options = vars(parse(name, defaults))
    given = {key: value for key, value in options.items() if value is not None}
    expected = {
        "main": {"module", "architecture", "data"},
        "sweep": {"module", "file"},
        "resume": {"module", "study"},
        "reproduce": {"module"},
        "report": {"module", "study"},
    }
    assert given.keys() == expected[name]


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_every_flag_of_the_command_is_a_parameter(name: str) -> None:
    module = {"main": "train"}.get(name, name)
    parser = _parsers()[1][module]
    flags = {action.dest for action in parser._actions if action.option_strings} - {"help"}
    positional = {"sweep": "config", "resume": "study", "report": "study"}.get(name)
    declared = {key for key in ENTRY_POINTS[name]["parameters"] if key != positional}
    assert flags == declared


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
        "quick", "cnn", "vgg16", "full", "colour_texture", "compact", "keras_tuner",
    }  # fmt: skip
    assert set(load(ROOT / "sweeps/full.yaml").space.architectures()) == set(ARCHITECTURES)
    assert load(ROOT / "sweeps/quick.yaml").space.architectures() == ("model2", "model2_1", "vgg16")


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
