"""What MLflow holds: stores, runs, figures, tables, models, and no secrets."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import wilson
from mineralsweep.search.task import examples
from mineralsweep.tracking import (
    End,
    Outbox,
    Point,
    StudyRun,
    SystemMetrics,
    now_ms,
    open_store,
)
from mineralsweep.tracking.artifacts import Validated, make
from mineralsweep.tracking.rate import writes_a_second
from mineralsweep.tracking.store import recall_metrics
from mineralsweep.training.folds import Predicted
from mineralsweep.urls import without_password, without_secrets
from tests.examples import trial
from tests.fakes import FakeExecutor

pytestmark = pytest.mark.usefixtures("store_made")


def finished(dataset: Dataset, tmp_path: Path) -> tuple[MlflowClient, str, str, str]:
    """Run one fake trial into a store; return the client, both runs' ids and the model's."""
    store = open_store()
    sweep_run = StudyRun(store, "s", "sweep", lambda _: dataset)
    spec = trial(dataset, tmp_path / "m", epochs=2)
    card = Outbox(tmp_path / "outbox").begin(spec, 1).card
    run = sweep_run.start_trial(card)
    run.describe(card.params)
    executor = FakeExecutor(lambda spec: 2 / 3)
    executor.submit(spec)
    while True:
        [event] = executor.wait(1)
        if hasattr(event, "result"):
            break
        report = event.report  # type: ignore[union-attr]
        run.write([Point(report.metrics(), report.epoch, now_ms())])
        executor.answer(0, None)
    seen = examples(dataset, (80, 80))
    predicted = Predicted(seen.validation)
    end = End("COMPLETE", "", now_ms(), result=event.result, predicted=predicted)
    validated = Validated.of(dataset, seen.validation)
    made = make(end, validated, card.architecture, tmp_path / "artifacts")
    model_id = run.finish(end, made)
    return store.client, sweep_run.run_id, run.run_id, model_id


def test_a_trial_leaves_all_that_a_reader_wants(dataset: Dataset, tmp_path: Path) -> None:
    client, parent, run_id, model_id = finished(dataset, tmp_path)
    run = client.get_run(run_id)
    assert run.info.run_name == "trial-000 model2_1"
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert {file.path for file in client.list_artifacts(run_id)} == {
        "learning_curves.png", "confusion_matrix.png", "validation_predictions.json",
    }  # fmt: skip
    assert {"best_epoch", "best_val_accuracy", "best_val_accuracy_low", "parameters",
            "gigaflops"} <= run.data.metrics.keys()  # fmt: skip
    assert {
        "architecture",
        "learning_rate",
        "dropout",
        "optimizer",
        "seed",
    } <= run.data.params.keys()
    [entry] = run.inputs.dataset_inputs
    assert entry.dataset.digest == dataset.catalog.digest[:36]
    assert json.loads(entry.dataset.profile)["split"]["test"] == 6
    model = client.get_logged_model(model_id)
    assert model.source_run_id == run_id
    assert len(client.get_metric_history(run_id, "best_val_accuracy")) == 1
    on_model = {metric.key: metric.value for metric in model.metrics or []}
    assert on_model["best_val_accuracy"] == run.data.metrics["best_val_accuracy"]


def test_a_record_finds_its_run_and_model(dataset: Dataset, tmp_path: Path) -> None:
    _, sweep_run, run_id, model_id = finished(dataset, tmp_path)
    again = StudyRun(open_store(), "s", "sweep", lambda _: dataset, sweep_run)
    untold = TrialRecord(0, "COMPLETE", {}, 0.5, 0.5, 0.5, 6, 1, "", None, "", 1.0)
    unknown = replace(untold, number=1)
    [located, not_there] = again.located([untold, unknown])
    assert (located.run_id, located.model_id) == (run_id, model_id)
    assert not_there == unknown


def test_validation_predictions_are_a_table(dataset: Dataset, tmp_path: Path) -> None:
    client, _, run_id, _ = finished(dataset, tmp_path)
    data = json.loads(
        Path(client.download_artifacts(run_id, "validation_predictions.json")).read_text()
    )
    table = pd.DataFrame(data["data"], columns=data["columns"])
    assert len(table) == 6
    assert table["correct"].sum() == 4
    assert (table["label"] == [Path(name).parts[0] for name in table["file"]]).all()
    assert {"p_ash", "p_beech", "p_cedar"} <= set(table.columns)
    digests = {image.digest for image in dataset.catalog.images}
    assert set(table["digest"]) <= digests


def test_a_table_written_again_replaces_the_first(dataset: Dataset) -> None:
    store = open_store()
    run = StudyRun(store, "s", "sweep", lambda _: dataset)
    for rows in (3, 2):
        run.log_table(pd.DataFrame({"a": range(rows)}), "leaderboard")
    path = store.client.download_artifacts(run.run_id, "leaderboard.json")
    assert json.loads(Path(path).read_text())["data"] == [[0], [1]]
    shown = store.client.get_run(run.run_id).data.tags["mlflow.loggedArtifacts"]
    assert json.loads(shown) == [{"path": "leaderboard.json", "type": "table"}]
    table = store.client.load_table(store.experiment_id, "leaderboard.json", [run.run_id])
    assert len(table) == 2


def test_the_model_holds_code_signature_and_explicit_requirements(
    dataset: Dataset, tmp_path: Path
) -> None:
    *_, model_id = finished(dataset, tmp_path)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}"))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert "classifier.py" in files
    assert "code/mineralsweep/data/decode.py" in files
    assert not [name for name in files if name.endswith((".pkl", ".pickle"))]
    requirements = (folder / "requirements.txt").read_text()
    for name in ("mlflow==", "tensorflow==", "keras==", "pillow=="):
        assert name in requirements
    model = mlflow.models.Model.load(str(folder))
    assert model.signature.inputs.input_names() == ["image"]
    names = ["label", "confidence", "probabilities", "verdict", "novelty", "reason"]
    assert model.signature.outputs.input_names() == names


def test_system_metrics_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mineralsweep.tracking.system.SYSTEM_METRICS_SECONDS", 0.1)
    written: list[tuple[dict[str, float], int]] = []
    enough = threading.Event()

    def write(metrics: dict[str, float], step: int) -> None:
        written.append((metrics, step))
        if step == 1:
            enough.set()

    system = SystemMetrics(write)
    assert enough.wait(20)
    system.finish()
    assert [step for _, step in written[:2]] == [0, 1]
    assert "system/cpu_utilization_percentage" in written[0][0]
    count = len(written)
    system.finish()  # twice is no error, and nothing more is measured
    assert len(written) == count


def test_a_run_that_mlflow_run_made_is_used_and_its_parameters_are_not_fought(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    experiment = client.create_experiment("given")
    given = client.create_run(experiment).info.run_id
    client.log_param(given, "learning_rate", "1e-3")
    client.log_param(given, "dropout", "auto")
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    store = open_store()
    assert store.experiment == "given"
    assert "MLFLOW_RUN_ID" not in os.environ  # children must not take it for theirs
    assert store.take_given_run("train", {}) == given
    store.log_params(given, {"learning_rate": 0.001, "dropout": 0.5, "seed": 3})
    assert client.get_run(given).data.params == {
        "learning_rate": "1e-3", "used.learning_rate": "0.001",
        "dropout": "auto", "used.dropout": "0.5", "seed": "3",
    }  # fmt: skip


def test_the_page_opens_on_training_runs() -> None:
    store = open_store()
    tags = store.client.get_experiment(store.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_experiment_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_store().experiment == "mineralsweep"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert open_store().experiment == "mine"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("https://me:se@cret@host", "https://me:***@host"),
        (
            "postgresql://host/db?user=me&password=secret",
            "postgresql://host/db?user=me&password=***",
        ),
    ],
)
def test_passwords_are_not_shown(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


HIDDEN = "t0ken-of-the-remote"
REMOTE = f"https://x-access-token:{HIDDEN}@127.0.0.1/me/photos.git"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (REMOTE, "https://***@127.0.0.1/me/photos.git"),
        (f"https://{HIDDEN}@host/a.git#sub", "https://***@host/a.git#sub"),
        (f"git+https://me:{HIDDEN}@host/a", "git+https://***@host/a"),
        ("ssh://git@host/a.git", "ssh://git@host/a.git"),
        ("git@host:me/a.git", "git@host:me/a.git"),
        ("can't reach postgresql+psycopg://me:pa@ss@h:5432/x now",
         "can't reach postgresql+psycopg://me:***@h:5432/x now"),
        ("s3://bucket/key?sig=abc&part=1", "s3://bucket/key?sig=***&part=1"),
        ("https://host/a?x=me@there", "https://host/a?x=me@there"),
        ("see https://host/a and me@there", "see https://host/a and me@there"),
        ("two: a://u:p@h 'b://v:q@i'", "two: a://u:***@h 'b://v:***@i'"),
        ("", ""),
    ],
)  # fmt: skip
def test_secrets_in_urls_are_not_written(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def held(folder: Path) -> str:
    """Return every text of the tracking store and of the files beside it."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        rows = "\n".join(database.iterdump())
    database.close()
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db"]
    return rows + "\n".join(path.read_bytes().decode("latin-1") for path in files)


def test_no_token_of_a_git_remote_is_kept(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What MLflow finds out about the program that runs, and what `mlflow run` writes itself.
    found = {"mlflow.source.git.repoURL": REMOTE, "mlflow.source.name": f"{REMOTE}#tools"}
    monkeypatch.setattr("mineralsweep.tracking.store.resolve_tags", lambda: found)
    given = open_store().client.create_run("0", tags=found).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    client, parent, run_id, _ = finished(dataset, tmp_path)
    store = open_store()
    failed = store.new_run("failed", {"mineralsweep.note": f"can't reach {REMOTE}"})
    store.log(failed, params={"storage": f"postgresql://me:{HIDDEN}@host/x"})
    assert parent == given
    for run in (parent, run_id):
        tags = client.get_run(run).data.tags
        assert tags["mlflow.source.git.repoURL"] == "https://***@127.0.0.1/me/photos.git"
        assert tags["mlflow.source.name"] == "https://***@127.0.0.1/me/photos.git#tools"
    assert HIDDEN not in held(tmp_path)


def test_a_result_that_cannot_be_read_is_set_aside(dataset: Dataset, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    whole, begun = (outbox.begin(trial(dataset, tmp_path), attempt) for attempt in (1, 2))
    for entry in (whole, begun):
        (entry.folder / "spec.json").write_text("{")
    (whole.folder / "end.json").write_text("{}")
    assert outbox.left() == []
    [kept] = outbox.folder.iterdir()
    assert kept.name.startswith(".damaged-trial-000-attempt-1")
    assert outbox.left() == []


def test_a_class_may_have_a_name_that_no_metric_has() -> None:
    names = ("quartz (rose)", "azurite & malachite", "grün-1")
    named = recall_metrics({name: wilson(1, 2) for name in names})
    assert list(named) == [
        "test_recall_quartz _rose_", "test_recall_azurite _ malachite", "test_recall_grün-1",
    ]  # fmt: skip
    store = open_store()
    run_id = store.new_run("names", {})
    store.log(run_id, metrics=named)
    assert store.client.get_run(run_id).data.metrics == named


def test_a_whole_run_stands_for_its_trial_whatever_was_counted(
    dataset: Dataset, tmp_path: Path
) -> None:
    store = open_store()
    run = StudyRun(store, "s", "sweep", lambda _: dataset)
    outbox = Outbox(tmp_path / "outbox")
    spec = trial(dataset, tmp_path)
    failed, whole = (run.start_trial(outbox.begin(spec, attempt).card) for attempt in (2, 1))
    store.end(failed.run_id, "FAILED")
    store.end(whole.run_id, "FINISHED")
    record = TrialRecord(0, "COMPLETE", {}, 0.5, 0.5, 0.5, 10, 1, "", None, "", 1.0)
    assert [one.run_id for one in run.located([record])] == [whole.run_id]


def test_a_training_s_first_attempt_is_the_study_s_own_run(
    dataset: Dataset, tmp_path: Path
) -> None:
    run = StudyRun(open_store(), "s", "training", lambda _: dataset)
    outbox, spec = Outbox(tmp_path / "outbox"), trial(dataset, tmp_path)
    first, second = (run.start_trial(outbox.begin(spec, attempt).card) for attempt in (1, 2))
    assert first.run_id == run.run_id
    assert second.run_id != run.run_id
    store = open_store()
    store.end(first.run_id, "FAILED")
    store.end(second.run_id, "FINISHED")
    record = TrialRecord(0, "COMPLETE", {}, 0.5, 0.5, 0.5, 10, 1, "", None, "", 1.0)
    assert [one.run_id for one in run.located([record])] == [second.run_id]


def test_a_run_that_the_user_deleted_is_no_trials(dataset: Dataset, tmp_path: Path) -> None:
    store = open_store()
    run = StudyRun(store, "s", "sweep", lambda _: dataset)
    card = Outbox(tmp_path / "outbox").begin(trial(dataset, tmp_path), 1).card
    made = run.start_trial(card)
    store.client.delete_run(made.run_id)
    record = TrialRecord(0, "COMPLETE", {}, 0.5, 0.5, 0.5, 10, 1, "", None, "", 1.0)
    assert [one.run_id for one in run.located([record])] == [""]


def test_the_store_knows_a_study_by_its_name(dataset: Dataset) -> None:
    store = open_store()
    run = StudyRun(store, "mine", "sweep", lambda _: dataset)
    assert store.run_of_study("mine") == run.run_id
    assert store.run_of_study("another") == ""
    assert store.study_of_run(run.run_id) == "mine"


def test_runs_go_where_the_sweep_began(dataset: Dataset) -> None:
    first = open_store("first")
    parent = first.new_run("parent", {})
    later = open_store("second").where(parent)
    assert (later.experiment_id, later.experiment) == (first.experiment_id, "first")


def test_asking_what_the_store_takes_leaves_no_run() -> None:
    store = open_store()
    assert writes_a_second(store, 0.2) > 0
    assert not store.client.search_runs([store.experiment_id])
