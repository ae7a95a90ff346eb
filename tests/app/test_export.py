"""A registered model taken elsewhere: from its trial's own model, compared, honest about images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mineralsweep.app import export as module
from mineralsweep.app.export import export
from mineralsweep.cli.main import main
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import ConfigError, InputError
from mineralsweep.export import classify, docker
from mineralsweep.export.onnx import compile_folder
from mineralsweep.registry import CHAMPION_URI, Versions
from mineralsweep.registry.candidate import evidence_for
from mineralsweep.registry.evidence import digest_of_split
from mineralsweep.registry.files import digest_of_folder, downloaded
from mineralsweep.registry.versions import CHAMPION, DIGEST
from mineralsweep.serving import confidence, ensemble, network
from mineralsweep.tracking import Store, open_store, served_model
from mineralsweep.tracking.trial_run import MODEL, ensure_model
from tests import tiny
from tests.export.models import CLASSES
from tests.export.models import network as a_network
from tests.serving.test_code import an_estimator

pytestmark = [
    pytest.mark.usefixtures("store_made"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
TEMPERATURE = 1.5


def quiet(line: str) -> None:
    """Take what is said, and drop it."""


@pytest.fixture
def photos(make_folder: Callable[..., Path]) -> Dataset:
    return open_dataset(DataSettings(str(make_folder(10, CLASSES)), "60/20/20", 0))


def registered(trained: Path, dataset: Dataset) -> tuple[Store, str]:
    """Register a trained model as a sweep does: compiled, calibrated, beside the trial's own."""
    store = open_store()
    run_id = store.client.create_run(store.experiment_id).info.run_id
    store.log_dataset(run_id, dataset, "training and validation")
    served = Path("served")
    shutil.copytree(trained, served)
    compile_folder(served)
    confidence.save(TEMPERATURE, 10, served)
    model_id = ensure_model(store, run_id, tiny.packed(trained, Path("packed")), {}, 0)
    store.log(run_id, tags={MODEL: model_id})
    served_id = served_model.log(store, run_id, served, dataset.catalog.bits)
    with downloaded(f"models:/{served_id}") as folder:
        digest = digest_of_folder(folder)
    versions = Versions(store)
    versions.give(CHAMPION, versions.register(run_id, served_id, "", {DIGEST: digest}))
    return store, digest


@pytest.fixture
def champion(photos: Dataset, tmp_path: Path) -> tuple[Store, str]:
    """Return a store whose champion is a small network, and the digest of its files."""
    model = a_network()
    network.save(model.model, CLASSES, tmp_path / "trained", model.flips)
    return registered(tmp_path / "trained", photos)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what grows by the digests of the images that two models are compared on."""
    digests: list[str] = []
    compare = module.compare

    def watched(classify: Any, folder: Path, images: Any, *rest: Any) -> Any:
        digests.extend(image.digest for image in images)
        return compare(classify, folder, images, *rest)

    monkeypatch.setattr(module, "compare", watched)
    return digests


def of_test(photos: Dataset) -> set[str]:
    return {photos.catalog.images[row].digest for row in photos.split.test}


def test_a_model_that_was_never_tested_is_compared_without_its_test_images(
    champion: tuple[Store, str], photos: Dataset, asked: list[str]
) -> None:
    done = export(None, "onnx", Path("out"), quiet)
    assert done.uri == "models:/mineral-classifier/1"
    parity = json.loads((done.folder / "parity.json").read_text())
    assert (parity["compared"], parity["same_labels"], parity["read_alike"]) == (24, 24, 24)
    assert parity["largest_difference"] < 1e-4
    assert "test 0, validation 6, training 18" in parity["images"]
    assert len(asked) == 24
    assert not of_test(photos) & set(asked)
    assert champion[0].openings(digest_of_split(photos)) == 0
    labels = json.loads((done.folder / "labels.json").read_text())
    assert labels["temperature"] == TEMPERATURE
    images = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3)).astype(np.uint8)
    expected = confidence.with_temperature(a_network().predict(images), TEMPERATURE)
    np.testing.assert_allclose(classify.load(done.folder)(images), expected, atol=1e-4)


def test_a_tested_model_is_compared_on_the_test_images_and_this_opens_nothing(
    champion: tuple[Store, str], photos: Dataset, asked: list[str]
) -> None:
    versions = Versions(champion[0])
    evidence_for(versions, "1")
    assert champion[0].openings(digest_of_split(photos)) == 1
    done = export(None, "onnx", Path("out"), quiet)
    assert done.parity is not None
    assert "test 6, validation 6, training 18" in done.parity.images
    assert done.parity.same_labels == 30
    assert set(asked[:6]) == of_test(photos)
    assert champion[0].openings(digest_of_split(photos)) == 1


def test_where_its_images_are_gone_drawn_ones_take_their_place(
    champion: tuple[Store, str], photos: Dataset
) -> None:
    shutil.rmtree(photos.catalog.root)
    done = export(CHAMPION_URI, "onnx", Path("out"), quiet)
    assert done.parity is not None
    assert "drawn" in done.parity.images
    assert done.parity.agrees
    assert done.parity.compared == 180


def test_a_folder_that_is_there_is_not_overwritten(champion: tuple[Store, str]) -> None:
    Path("out").mkdir()
    (Path("out") / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="out is there already"):
        export(None, "onnx", Path("out"), quiet)
    assert [path.name for path in Path("out").iterdir()] == ["mine.txt"]


def test_what_is_refused_leaves_nothing(photos: Dataset, tmp_path: Path) -> None:
    one, two = an_estimator(tmp_path / "one"), tmp_path / "two"
    model = a_network()
    network.save(model.model, CLASSES, two)
    (one / ensemble.CLASSES_FILE).write_text(json.dumps(CLASSES))
    network.combine([two, one], CLASSES, tmp_path / "vote")
    registered(tmp_path / "vote", photos)
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match="member 2 of 2: hand-crafted"):
        export(None, "onnx", tmp_path / "out", quiet)
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "cache"}
    assert export(None, "docker", tmp_path / "out", quiet).file == tmp_path / "out" / "model"


def test_a_compiled_model_whose_run_names_no_other_is_refused(
    champion: tuple[Store, str],
) -> None:
    store, _ = champion
    store.client.delete_tag(Versions(store).get("1").run_id or "", MODEL)
    with pytest.raises(InputError, match="names no model as it was trained"):
        export(None, "onnx", Path("out"), quiet)


def test_the_docker_folder_has_the_registered_files_and_their_pins(
    champion: tuple[Store, str],
) -> None:
    export(None, "docker", Path("out"), quiet)
    assert digest_of_folder(Path("out/model")) == champion[1]
    pins = Path("out/requirements.txt").read_text().split()
    assert all("==" in pin for pin in pins)
    names = {pin.partition("==")[0] for pin in pins}
    assert {"mlflow", "numpy", "pillow", "pillow-heif", "onnxruntime"} <= names
    assert not {"tensorflow", "keras"} & names
    lines = [line.partition(" ") for line in Path("out/Dockerfile").read_text().splitlines()]
    known = {"#", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert {word for word, _, _ in lines} <= known
    told = {word: rest for word, _, rest in lines}
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert told["FROM"] == f"python:{version}-slim"
    assert told["USER"] != "root"
    assert json.loads(told["CMD"]) == list(docker.START)
    assert json.loads(told["HEALTHCHECK"].partition("CMD ")[2])[:2] == ["python", "-c"]
    copied = [rest.split()[0] for word, _, rest in lines if word == "COPY"]
    assert all(Path("out", name).exists() for name in copied)


@pytest.mark.slow
def test_the_start_command_serves_the_model(champion: tuple[Store, str], free_port: int) -> None:
    """As the image does, but for the port and the host."""
    export(None, "docker", Path("out"), quiet)
    words = [str(free_port) if word == str(docker.PORT) else word for word in docker.START]
    words = [word.replace("0.0.0.0", "127.0.0.1") for word in words]  # noqa: S104
    hidden = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    server = subprocess.Popen(
        words, cwd="out", env={**hidden, "PATH": path}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        health = docker.HEALTH.format(port=free_port)
        until = time.monotonic() + 120
        while subprocess.run([sys.executable, "-c", health], capture_output=True).returncode:
            assert server.poll() is None
            assert time.monotonic() < until
            time.sleep(1)
        request = urllib.request.Request(
            f"http://127.0.0.1:{free_port}/invocations",
            pd.DataFrame({"image": ["bm8gaW1hZ2U="]}).to_json(orient="split").encode(),
            {"Content-Type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)  # noqa: S310
        assert refused.value.code == 400
        refused.value.close()
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_other_labels_are_exit_code_1(
    champion: tuple[Store, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = classify.load

    def shifted(folder: Path) -> Callable[[Any], Any]:
        answer = real(folder)
        return lambda images: np.roll(answer(images), 1, axis=1)

    assert main(["export", "--format", "onnx", "alike"]) == 0
    out = capsys.readouterr().out
    assert "24 of 24" in out
    assert "python alike/classify.py" in out
    monkeypatch.setattr(classify, "load", shifted)
    assert main(["export", "--model", CHAMPION_URI, "--format", "onnx", "other"]) == 1
    assert "don't use this model" in capsys.readouterr().out
    parity = json.loads(Path("other/parity.json").read_text())
    assert parity["same_labels"] < parity["compared"]


def test_parity_agrees_where_every_label_does() -> None:
    from mineralsweep.export.parity import Parity, same_labels

    one = np.array([[0.6, 0.4], [0.2, 0.8]], np.float32)
    assert same_labels(one, one[:, ::-1]) == 0
    assert same_labels(one, one + 0.1) == 2
    parity = Parity("", 2, 2, 0.1, 2, 1.0, 1.0)
    assert parity.agrees
    assert not replace(parity, same_labels=1).agrees
