"""Folds from end to end: real trainings, an ensemble as champion, its answers."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest

from mineralsweep.cli.main import main
from mineralsweep.serving import network
from mineralsweep.tracking import open_store
from tests.pictures import write_classes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("store_made"),
]

SWEEP = """
question: Do folds work from end to end?
image_size: 80
data: {split: 40/20/40}
space: {architecture: model2, learning_rate: 1.0e-3}
budget: {trials: 1, epochs: 2}
baseline: none
gate: {find_every_class: false}
folds: 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_classes(tmp_path / "photos", ("ash", "beech"), 10)


def test_a_sweep_with_folds_crowns_an_ensemble(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.yaml").write_text(SWEEP)
    assert main(["sweep", "mine.yaml", "--data", str(folder), "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "over 2 folds [" in printed
    assert "n = 12" in printed
    files = Path(mlflow.artifacts.download_artifacts("models:/mineral-classifier@champion"))
    loaded = network.load(network.find(files))
    assert len(loaded.members) == 2  # type: ignore[attr-defined]
    images = np.random.default_rng(0).integers(0, 256, (3, 80, 80, 3), np.uint8)
    apart = [one.predict(images) for one in loaded.members]  # type: ignore[attr-defined]
    assert not np.allclose(*apart, atol=1e-4)
    assert loaded.predict(images) == pytest.approx(np.mean(apart, axis=0), abs=1e-6)
    photo = str(next((folder / "ash").iterdir()))
    assert main(["predict", photo]) == 0


def test_a_single_training_with_folds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--data", str(folder), "--epochs", "1", "--set", "image_size=80"]
    assert main([*arguments, "folds=2", "--architecture", "model2"]) == 0
    assert "over 2 folds [" in capsys.readouterr().out
    store = open_store()
    [run] = store.client.search_runs([store.experiment_id])
    assert run.data.metrics["folds_trained"] == 2


def test_the_study_is_reproduced_small(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["reproduce", "--data", str(folder), "--variants", "model2", "--seeds", "1"]
    assert main([*arguments, "--folds", "0", "--epochs", "1", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "| model 2 | 0.831 [0.763, 0.883], n = 148 | 0.40 |" in printed
    assert "1 of 1 trainings" in printed
