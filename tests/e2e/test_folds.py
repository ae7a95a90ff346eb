"""Folds from end to end: real trainings, an ensemble as champion, its answers."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest

from mineralsweep.cli.main import main
from mineralsweep.serving import network
from mineralsweep.serving.compiled import CompiledNetwork
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


def test_a_refit_makes_one_network_of_the_folds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.yaml").write_text(SWEEP + "refit: true\n")
    command = ["sweep", "mine.yaml", "--data", str(folder), "--workers", "1", "--study", "s"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "Trial 0: refit on 12 images, all but those of the test split" in printed
    champion = "models:/mineral-classifier@champion"
    model = network.load(network.find(Path(mlflow.artifacts.download_artifacts(champion))))
    assert isinstance(model, CompiledNetwork)
    store = open_store()
    version = store.client.get_model_version_by_alias("mineral-classifier", "champion")
    assert "Then it was refit on 12 images" in version.description
    run = store.client.get_run(version.run_id)
    assert run.data.tags["mineralsweep.refit"].startswith("refit on 12 images")
    kept = int(run.data.metrics["best_epoch"])
    history = store.client.get_metric_history(version.run_id, "refit_loss")
    assert [point.step for point in history] == list(range(1, max(kept, 1) + 1))
    assert not list(Path(".mineralsweep").rglob("refit.json"))  # it is in MLflow now
    assert main(["resume", "s", "--set", "gate.min_recall=0.01"]) in (0, 1)  # judged anew
    assert "Trial 0: refit" not in capsys.readouterr().out
    assert len(store.client.get_metric_history(version.run_id, "refit_loss")) == len(history)
    assert main(["sweep", "mine.yaml", "--data", str(folder), "--study", "s", "--set",
                 "refit=false"]) == 2  # fmt: skip
    assert "refit: was true" in capsys.readouterr().err


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
