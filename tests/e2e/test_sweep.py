"""A whole sweep on the drawn sample: data, workers, MLflow, the champion, the server."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from PIL import Image

from mineralsweep.cli.main import main
from mineralsweep.data.sources import sample
from tests.conftest import ROOT
from tests.pictures import encode

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

BIN = Path(sys.executable).parent
SWEEP = """
question: Does the whole way work?
image_size: 80
data: {split: 60/20/20}
space:
  architecture: [model2, model2_1]
  learning_rate: {low: 3.0e-4, high: 3.0e-3, log: true}
budget: {trials: 2, epochs: 2}
engine: {pruner: none}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run one sweep through `mlflow run`, as a user would, and return its folder."""
    folder = tmp_path_factory.mktemp("swept")
    for name in ("MLproject", "conda.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / "mine.yaml").write_text(SWEEP)
    sample.write(folder / "minerals", per_class=10)
    # Also here: a file that can't be used must not stop a sweep.
    (folder / "minerals" / "bornite" / "page.jpg").write_text("<html></html>")
    environment = surroundings(folder)
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    done = subprocess.run(
        [str(BIN / "mlflow"), "run", str(folder), "-e", "sweep", "--env-manager", "local",
         "--experiment-name", "e2e", "-P", "config=mine.yaml", "-P", "data=minerals",
         "-P", "study=first"],
        env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    (folder / "output.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def surroundings(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "MINERALSWEEP_CACHE": str(folder / "cache"),
    }


@pytest.fixture
def client(swept: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Work in the sweep's folder, against its store."""
    uri = f"sqlite:///{swept / 'mlflow.db'}"
    monkeypatch.chdir(swept)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MINERALSWEEP_CACHE", str(swept / "cache"))
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


def runs(client: MlflowClient) -> tuple[Any, list[Any]]:
    experiment = client.get_experiment_by_name("e2e")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    return parents[0], [run for run in found if run.data.tags["mineralsweep.kind"] == "trial"]


def baselines(client: MlflowClient) -> list[Any]:
    experiment = client.get_experiment_by_name("e2e")
    assert experiment is not None
    kind = "tags.`mineralsweep.kind` = 'baseline'"
    return list(client.search_runs([experiment.experiment_id], kind))


def test_the_output_says_what_was_found_and_what_to_type_next(swept: Path) -> None:
    printed = (swept / "output.txt").read_text()
    for words in ("Question: Does the whole way work?", "1 skipped", "[2/2] trial",
                  "Baseline, colour_texture: val_accuracy", "the baseline",
                  "Leaderboard", "Champion: ", "n = 6", "opened once", "Next:",
                  "mlflow models serve -m models:/mineral-classifier@champion"):  # fmt: skip
        assert words in printed


def test_one_parent_with_a_child_a_trial(client: MlflowClient) -> None:
    parent, children = runs(client)
    assert parent.info.run_name == "first"
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.project.entryPoint"] == "sweep"
    assert "**Answer.**" in parent.data.tags["mlflow.note.content"]
    assert {run.info.status for run in children} == {"FINISHED"}
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {
        "leaderboard.csv", "leaderboard.json", "mine.yaml", "report.html",
        "test_confusion_matrix.png",
    }  # fmt: skip
    assert {
        "test_accuracy",
        "test_accuracy_low",
        "test_macro_f1",
        "test_macro_f1_low",
        "test_recall_bornite",
    } <= (parent.data.metrics.keys())


def test_the_baseline_stands_on_the_leaderboard_beside_the_trials(client: MlflowClient) -> None:
    parent, _ = runs(client)
    [baseline] = baselines(client)
    assert baseline.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert baseline.info.status == "FINISHED"
    assert baseline.data.params["architecture"] == "colour_texture"
    assert "learning_rate" not in baseline.data.params
    assert "parameters" not in baseline.data.metrics
    table = json.loads(mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/leaderboard.json"))
    place = table["columns"].index("trial")
    assert {row[place] for row in table["data"]} == {0, 1, "baseline"}
    version = client.get_model_version_by_alias("mineral-classifier", "champion")
    for tags in (parent.data.tags, version.tags):
        assert "n = 6" in tags["mineralsweep.baseline"]
        assert tags["mineralsweep.beats_baseline"] in ("true", "not shown", "is the baseline")
    assert "**The baseline.**" in parent.data.tags["mlflow.note.content"]


def test_the_best_by_validation_is_the_champion(client: MlflowClient) -> None:
    _, children = runs(client)
    best = max(
        [*children, *baselines(client)],
        key=lambda run: (run.data.metrics["best_val_accuracy"], -run.data.metrics["best_val_loss"]),
    )
    version = client.get_model_version_by_alias("mineral-classifier", "champion")
    assert version.run_id == best.info.run_id
    assert "n = 6" in version.tags["test_accuracy"]
    assert "## Scores on the test split, opened once" in (version.description or "")


def test_the_same_command_again_opens_nothing_and_registers_nothing(
    client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(client.search_model_versions("name = 'mineral-classifier'"))
    assert main(["sweep", "mine.yaml", "--data", "minerals", "--study", "first"]) == 0
    assert "resuming: 2 of 2 trials done" in capsys.readouterr().out
    assert len(client.search_model_versions("name = 'mineral-classifier'")) == before
    parent, children = runs(client)
    assert len(children) == 2
    assert len(baselines(client)) == 1
    assert parent.data.tags["mineralsweep.test_split_openings"] == "1"


def test_the_report_is_whole_and_is_made_again_from_mlflow_and_the_study(
    client: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent, _ = runs(client)
    first = mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/report.html")
    assert "could not be made" not in first
    assert "Does the whole way work?" in first
    assert main(["report", parent.info.run_id, "--out", str(tmp_path / "again.html")]) == 0
    assert "Careful: " in capsys.readouterr().out
    assert (tmp_path / "again.html").read_text() == first


def test_predict_answers_as_the_registered_model_does(
    client: MlflowClient, swept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = next((swept / "minerals" / "bornite").glob("*.png"))
    assert main(["predict", "--json", str(picture)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["label"] in ("biotite", "bornite", "chrysocolla")
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_changed_files_are_refused_before_they_are_run(
    client: MlflowClient, swept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify"]) == 0
    assert "its files are those that were registered" in capsys.readouterr().out
    version = client.get_model_version_by_alias("mineral-classifier", "champion")
    uri = client.get_model_version_download_uri("mineral-classifier", version.version)
    folder = Path(uri.removeprefix("file://"))
    code = next(folder.rglob("classifier.py"))
    kept = code.read_bytes()
    code.write_bytes(kept + b"\nraise SystemExit('this must not run')\n")
    try:
        picture = next((swept / "minerals" / "bornite").glob("*.png"))
        for command in (["verify"], ["predict", str(picture)]):
            assert main(command) == 2
            assert "were changed or damaged" in capsys.readouterr().err
    finally:
        code.write_bytes(kept)
    assert main(["verify"]) == 0


@pytest.fixture(scope="module")
def server(swept: Path) -> Iterator[str]:
    """Serve the champion on loopback, as the guide says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = surroundings(swept)
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{swept / 'mlflow.db'}"
    with (swept / "server.log").open("w") as log:
        process = subprocess.Popen(
            [str(BIN / "mlflow"), "models", "serve", "-m", "models:/mineral-classifier@champion",
             "--env-manager", "local", "--port", str(port)],
            env=environment, cwd=swept, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield _once_it_answers(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(30)


def _once_it_answers(url: str, process: subprocess.Popen[bytes]) -> str:
    for _ in range(240):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=2):  # noqa: S310 (loopback)
                return url
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server does not answer")


def ask(url: str, payload: Any) -> tuple[int, str]:
    request = urllib.request.Request(  # noqa: S310 (loopback)
        f"{url}/invocations", json.dumps(payload).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def split_form(*contents: bytes) -> dict[str, Any]:
    rows = [[in_base64(content)] for content in contents]
    return {"dataframe_split": {"columns": ["image"], "data": rows}}


def test_the_server_answers_what_predict_answers(
    server: str, client: MlflowClient, swept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = swept / "minerals" / "biotite"
    jpeg = next(path for path in sorted(folder.iterdir()) if path.read_bytes()[:2] == b"\xff\xd8")
    main(["predict", "--json", str(jpeg)])
    local = json.loads(capsys.readouterr().out)
    for form in (
        split_form(jpeg.read_bytes()),
        {"dataframe_records": [{"image": in_base64(jpeg.read_bytes())}]},
        {"inputs": [{"image": in_base64(jpeg.read_bytes())}]},
        {"instances": [{"image": in_base64(jpeg.read_bytes())}]},
    ):
        status, text = ask(server, form)
        assert status == 200, text
        [answer] = json.loads(text)["predictions"]
        assert answer["label"] == local["label"]
        assert answer["probabilities"] == pytest.approx(local["probabilities"], abs=1e-5)


def test_the_server_takes_a_png_with_alpha_and_a_gif(server: str) -> None:
    see_through = Image.new("RGBA", (60, 40), (30, 140, 150, 120))
    gif = encode(see_through.convert("P"), "GIF")
    status, text = ask(server, split_form(encode(see_through), gif))
    assert status == 200, text
    assert len(json.loads(text)["predictions"]) == 2


def test_the_server_refuses_what_is_no_image_and_names_the_row(server: str) -> None:
    good = encode(Image.new("RGB", (60, 40), (30, 140, 150)))
    status, text = ask(server, split_form(good, b"<html>not a picture</html>"))
    assert status == 400
    assert "row 1: an HTML page" in text
    assert "Traceback" not in text
