"""A server for tests: tiny models in a registry, behind uvicorn in a thread."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import uvicorn
from mlflow.models import Model
from starlette.types import ASGIApp

from mineralsweep.descriptors.pyramid import pyramid
from mineralsweep.export.onnx import compile_folder
from mineralsweep.registry.versions import CHAMPION, NAME, Versions, uri_of
from mineralsweep.serving import ensemble, familiarity, network, pyfunc
from mineralsweep.serving.familiarity import Seen
from mineralsweep.tracking import Store
from tests import pictures, tiny

OTHERS = ("oak", "pine", "rowan")
"""Classes of the second version: a label tells which of the two has answered."""
IMAGE = pictures.encode(pictures.noisy((220, 30, 30), 1), "JPEG")


def model_of(folder: Path, classes: tuple[str, ...], digests: tuple[str, ...] = ()) -> Any:
    """Return MLflow's pyfunc of a tiny compiled network that knows what it was trained on."""
    trained = folder / "trained"
    network.save(tiny.network(), classes, trained)
    compile_folder(trained)
    images = tiny.images(40)
    _, embedding = ensemble.answer(network.load(trained), images)
    known, _ = familiarity.fit(Seen(pyramid(images), embedding), [(range(30), range(30, 40))])
    familiarity.save(known.with_digests(digests or [f"{i:064x}" for i in range(30)]), trained)
    pyfunc.save(trained, folder / "model", Model())
    return mlflow.pyfunc.load_model(str(folder / "model"))


@dataclass
class Registry:
    """Two registered versions, loaded without their artifacts."""

    store: Store
    models: dict[str, Any]
    versions: Versions = field(init=False)

    def __post_init__(self) -> None:
        self.versions = Versions(self.store)
        self.store.client.create_registered_model(NAME)
        for number in ("1", "2"):
            self.store.client.create_model_version(NAME, f"file:///none/{number}")
        self.make_champion("1")

    def make_champion(self, version: str) -> None:
        self.versions.give(CHAMPION, version)

    def load(self, uri: str) -> Any:
        return self.models[uri]


def registry_of(store: Store, folder: Path, digests: tuple[str, ...] = ()) -> Registry:
    models = {
        uri_of(NAME, "1"): model_of(folder / "1", tiny.CLASSES, digests),
        uri_of(NAME, "2"): model_of(folder / "2", OTHERS),
    }
    return Registry(store, models)


@contextmanager
def running(app: ASGIApp) -> Iterator[int]:
    """Give the port of a server while it runs."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(10)


def ask(
    port: int, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Return the status, the body (of JSON: what it says), and the headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body or None, named)
    reply = connection.getresponse()
    content: Any = reply.read()
    told = {name.lower(): value for name, value in reply.getheaders()}
    connection.close()
    if told.get("content-type", "").startswith("application/json"):
        content = json.loads(content, parse_constant=no_json) if content.strip() else None
    return reply.status, content, told


def no_json(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def form(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    """Return the body and the content type of a form with files."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + b"--x--\r\n", "multipart/form-data; boundary=x"
