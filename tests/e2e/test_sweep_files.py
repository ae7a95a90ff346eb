"""Every sweep file runs, tiny; a single training too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mineralsweep import report
from mineralsweep.app.checks import without_weights
from mineralsweep.app.session import Request
from mineralsweep.app.sweep import run_sweep
from mineralsweep.cli.main import main
from mineralsweep.config import Override, load
from mineralsweep.core.trial import TrialSpec
from mineralsweep.errors import RunError, WeightsUnavailable
from mineralsweep.executors import EXECUTORS, LocalExecutor
from mineralsweep.tracking import open_store
from tests.conftest import ROOT
from tests.fakes import Watcher
from tests.pictures import write_classes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("store_made"),
]

SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_classes(tmp_path / "photos", ("ash", "beech", "cedar"), 10)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalExecutor]:
    """Start one worker for all the sweeps here: TensorFlow's start is most of a tiny one."""
    folder = tmp_path_factory.mktemp("worker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINERALSWEEP_CACHE", str(folder / "cache"))
        made = LocalExecutor(1, folder / "logs")
    yield made
    made.close()


@pytest.fixture
def _one_worker(worker: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(spec: TrialSpec) -> None:  # the worker stands in another folder
        checkpoint = spec.checkpoint and spec.checkpoint.resolve()
        LocalExecutor.submit(
            worker, replace(spec, folder=spec.folder.resolve(), checkpoint=checkpoint)
        )

    monkeypatch.setattr(worker, "submit", submit)
    monkeypatch.setattr(worker, "close", lambda: None)
    monkeypatch.setitem(EXECUTORS, "local", lambda *_: worker)


@pytest.fixture
def _drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the report in this process, which has TensorFlow."""
    monkeypatch.setattr("mineralsweep.app.drawing.drawn", report.make)


@pytest.mark.usefixtures("_one_worker", "_drawn_here")
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_file_runs(path: Path, folder: Path) -> None:
    tiny = [
        Override("data.source", str(folder), "--data"),
        Override("budget.trials", 1, "--trials"),
        Override("budget.epochs", 1, "--epochs"),
        Override("engine.pruner", "none", ""),
        Override("folds", 1, ""),
        Override("weights", "none", "--weights"),
        Override("workers", 1, "--workers"),
    ]
    small = Override("image_size", 80, "")
    if "image_size" in load(path).space.entries():
        small = Override("space.image_size", 80, "")
        tiny.append(Override("warm_start", [], ""))
    tiny.append(small)
    if path.stem != "cnn":  # one sweep with a baseline is enough here
        tiny.append(Override("baseline", "none", ""))
    lines: list[str] = []
    request = Request("sweep", load(path, tiny), config=path)
    outcome = run_sweep(request, Watcher(), lines.append)
    assert {record.state for record in outcome.records} == {"COMPLETE"}
    assert outcome.crowned.version == "1"
    assert outcome.study.startswith(path.stem)


@pytest.mark.usefixtures("_one_worker", "_drawn_here")
def test_a_sweep_leaves_vgg16_out_when_its_weights_cannot_be_had(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mineralsweep.models.weights._download", lambda *_: None)
    file = folder.parent / "two.yaml"
    file.write_text("question: Which?\nspace: {architecture: [model2_1, vgg16]}\nimage_size: 80\n")
    flags = ["--data", str(folder), "--trials", "1", "--epochs", "1", "--workers", "1"]
    flags += ["--set", "baseline=none"]
    assert main(["sweep", str(file), *flags]) == 0
    printed = capsys.readouterr().out
    assert printed.index("Left out: vgg16") < printed.index("[1/1] trial")
    store = open_store()
    [parent] = store.client.search_runs([store.experiment_id], "tags.`mineralsweep.kind` = 'sweep'")
    assert "vgg16" in parent.data.tags["mineralsweep.left_out"]


def test_a_sweep_of_vgg16_alone_stops_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mineralsweep.models.weights._download", lambda *_: None)
    with pytest.raises(WeightsUnavailable, match=r"or of its folder: weights=PATH"):
        without_weights(load(ROOT / "sweeps" / "vgg16.yaml"))


@pytest.mark.usefixtures("_one_worker")
def test_a_single_training_is_one_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--data", str(folder), "--epochs", "2", "--set", "image_size=80"]
    assert main([*arguments, "--learning-rate", "1e-3", "--dropout", "0.2"]) == 0
    printed = capsys.readouterr().out
    assert "on the validation images: accuracy" in printed
    assert "n = 6" in printed
    assert "The test split was not opened" in printed
    store = open_store()
    [run] = store.client.search_runs([store.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["dropout"] == "0.2"
    assert run.data.params["optimizer"] == "rmsprop"
    assert not [name for name in run.data.metrics if name.startswith("test")]


@pytest.mark.usefixtures("_one_worker")
def test_a_training_that_diverges_fails_with_its_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--data", str(folder), "--epochs", "20", "--set", "image_size=80"]
    assert main([*arguments, "--optimizer", "sgd", "--learning-rate", "10"]) == RunError.exit_code
    assert "training failed: " in capsys.readouterr().err
    store = open_store()
    [run] = store.client.search_runs([store.experiment_id])  # that of the study
    assert run.info.status == "FAILED"
    assert "loss became" in run.data.tags["mineralsweep.reason"]


def test_doctor_tells_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store"]) == 0
    printed = capsys.readouterr().out
    for word in (
        "tensorflow",
        "cores",
        "gpu",
        "not cached",
        "mlflow.db answers",
        "trials a second",
        "disk",
    ):
        assert word in printed
