"""Every kind of file becomes the same pixels in training, in `predict` and over HTTP."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mineralsweep.data import arrays
from mineralsweep.data.catalog import Catalog
from mineralsweep.registry.files import open_folder
from mineralsweep.serving import network, pyfunc
from tests.kinds import KINDS, SIZE
from tests.pictures import catalog_of

pytestmark = pytest.mark.slow
CHANNELS = ("red", "green", "blue")
CLOSE = 3
"""Levels: what compression at full quality may change."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Return a collection with each kind once; extensions say nothing."""
    folder = tmp_path_factory.mktemp("kinds") / "photos" / "minerals"
    folder.mkdir(parents=True)
    for name, (content, _) in KINDS.items():
        (folder / f"{name}.photo").write_bytes(content)
    return catalog_of(folder.parent)


@pytest.fixture(scope="module")
def model(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a saved model that answers with the mean level of each channel."""
    import keras
    from mlflow.models import Model

    folder = tmp_path_factory.mktemp("model")
    inputs = keras.Input((*SIZE, 3))
    means = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    network.save(means, CHANNELS, folder / "trained", "none")
    pyfunc.save(folder / "trained", folder / "saved", Model(), catalog.bits)
    return folder / "saved"


def levels(probabilities: dict[str, float]) -> list[float]:
    return [probabilities[name] for name in CHANNELS]


@pytest.fixture(scope="module")
def http(model: Path) -> Iterator[Callable[[bytes], list[float]]]:
    """Return a function that asks MLflow's own scoring server."""
    import uvicorn
    from mlflow.pyfunc.scoring_server import init

    server = uvicorn.Server(uvicorn.Config(init(open_folder(model)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    [port] = {one.getsockname()[1] for own in server.servers for one in own.sockets}

    def ask(content: bytes) -> list[float]:
        rows = [[base64.b64encode(content).decode()]]
        payload: dict[str, Any] = {"dataframe_split": {"columns": ["image"], "data": rows}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps(payload).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            return levels(json.loads(reply.read())["predictions"][0]["probabilities"])

    yield ask
    server.should_exit = True
    thread.join(30)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_becomes_its_colour_on_every_way(
    kind: str, catalog: Catalog, model: Path, http: Callable[[bytes], list[float]]
) -> None:
    content, colour = KINDS[kind]
    assert catalog.rejected == ()
    [row] = [row for row in range(len(KINDS)) if catalog.images[row].path.stem == kind]
    trained = arrays.load(arrays.ensure(catalog, SIZE))[row].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(trained, colour, atol=CLOSE)
    answer = open_folder(model).predict(pd.DataFrame({"image": [content]}))
    np.testing.assert_allclose(levels(answer["probabilities"][0]), trained, atol=1e-3)
    np.testing.assert_allclose(http(content), trained, atol=1e-3)
