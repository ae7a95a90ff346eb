"""What a trained model costs: measured on what would be served, or on what was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mineralsweep.data.dataset import Dataset
from mineralsweep.search.records import TIME_IS_UP
from mineralsweep.serving import network
from mineralsweep.training import costs
from mineralsweep.training.run import run_trial
from tests.examples import trial

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("architecture", ["model2", "colour_texture", "model2+colour_texture"])
def test_every_kind_of_model_is_measured_and_left_as_it_is(
    dataset: Dataset, tmp_path: Path, architecture: str
) -> None:
    plain = trial(dataset, tmp_path / "t", architecture=architecture, epochs=1)
    asked = replace(plain, measures_costs=True)
    said: list[str] = []
    result = run_trial(asked, lambda epoch: None, said.append)
    assert said[-1] == "measuring the compiled model"
    assert sum("measuring" in words for words in said) == 1
    assert result.costs.keys() == {"latency_ms", "size_mb"}
    assert 0 < result.costs["latency_ms"] < 60_000
    assert 0 < result.costs["size_mb"] < 100
    assert network.load(asked.folder).classes == dataset.classes
    assert result.sizes()["latency_ms"] == result.costs["latency_ms"]


def test_a_trial_that_is_not_asked_for_costs_measures_none(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "measure", lambda *_: pytest.fail("was measured"))
    asked = trial(dataset, tmp_path / "t", architecture="model2", epochs=1)
    assert run_trial(asked, lambda epoch: None).costs == {}


def test_a_trial_that_the_clock_ends_is_measured_too(dataset: Dataset, tmp_path: Path) -> None:
    """It counts as complete, and is told to the engine with all its values."""
    asked = replace(
        trial(dataset, tmp_path / "t", architecture="model2", epochs=2), measures_costs=True
    )
    result = run_trial(asked, lambda epoch: TIME_IS_UP)
    assert result.pruned
    assert result.costs.keys() == {"latency_ms", "size_mb"}


def test_what_can_not_be_compiled_is_measured_as_it_was_trained(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = trial(dataset, tmp_path / "t", architecture="model2", epochs=1)
    run_trial(asked, lambda epoch: None)
    compiled = costs.measure(asked.folder, asked.examples)

    def refused(folder: Path) -> None:
        (folder / "half").write_text("of a graph")
        raise ValueError("no such operation")

    monkeypatch.setattr(costs, "compile_folder", refused)
    trained = costs.measure(asked.folder, asked.examples)
    size = sum(file.stat().st_size for file in asked.folder.rglob("*") if file.is_file())
    assert trained["size_mb"] == size / costs.MB != compiled["size_mb"]
