"""What a trained model costs: measured on what would be served, or on what was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from mineralsweep.core.cost import COSTS
from mineralsweep.data.dataset import Dataset
from mineralsweep.serving import network
from mineralsweep.training import costs
from mineralsweep.training.run import run_trial
from tests.examples import trial

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("architecture", ["model2", "colour_texture", "model2+colour_texture"])
def test_every_kind_of_model_is_measured_and_left_as_it_is(
    dataset: Dataset, tmp_path: Path, architecture: str
) -> None:
    asked = trial(dataset, tmp_path / "t", architecture=architecture, epochs=1)
    assert run_trial(asked, lambda epoch: None).costs == {}
    measured = costs.measure(asked.folder, asked.examples)
    assert measured.keys() == COSTS.keys()
    assert 0 < measured["latency_ms"] < 60_000
    assert 0 < measured["size_mb"] < 100
    assert network.load(asked.folder).classes == dataset.classes


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

    def full(folder: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(costs, "compile_folder", full)
    with pytest.raises(OSError, match="no space"):  # that says nothing of the model
        costs.measure(asked.folder, asked.examples)
