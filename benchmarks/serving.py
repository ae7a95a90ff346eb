"""How many images a second a served champion answers, against a plain served Keras model.

    python -m benchmarks.serving --model models:/mineral-classifier@champion --data PHOTOGRAPHS

By turns, in one run: `mineralsweep serve` asked at /classify, `mlflow models serve` of the same
version, and the plain peer: model 2 at 180 x 180 logged by `mlflow.keras`, fed pixels as JSON
numbers. And a loop that only decodes and resizes the same files on all cores: no server that gets
files can be faster.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mineralsweep.data.decode import decode
from mineralsweep.machine import cores

ROUNDS, SECONDS, PEER_SIDE = 3, 8.0, 180
STARTED_WITHIN = 120.0


@dataclass(frozen=True)
class Server:
    """One that is to be asked: its command, the route, and the bodies of requests."""

    name: str
    command: Sequence[str]
    route: str
    kind: str
    bodies: Sequence[bytes]


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="models:/mineral-classifier@champion")
    parser.add_argument("--data", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--size", type=int, default=224, help="of the model, for the decoding loop")
    parser.add_argument("--without-peer", action="store_true")
    options = parser.parse_args()
    files = [path.read_bytes() for path in sorted(options.data.rglob("*")) if path.is_file()][::4]
    with tempfile.TemporaryDirectory() as scratch:
        servers = [_ours(options.model, files), _plain(options.model, files)]
        if not options.without_peer:
            servers.append(_peer(Path(scratch), files))
        print(json.dumps(measure(servers, files, options.size), indent=1))


def measure(servers: Sequence[Server], files: Sequence[bytes], size: int) -> dict[str, object]:
    """Return medians over the rounds: images/s at concurrency 8, p50 and images/s at 1."""
    found: dict[str, dict[str, list[float]]] = {one.name: {} for one in servers}
    limits = []
    for _ in range(ROUNDS):
        limits.append(_decoding(files, size))
        for one in servers:
            with _running(one) as port:
                _load(port, one, 2, 2.0)
                eight, _ = _load(port, one, 8, SECONDS)
                single, times = _load(port, one, 1, SECONDS / 2)
            row = found[one.name]
            for name, value in (
                ("images_a_second_8", eight), ("images_a_second_1", single),
                ("p50_ms_1", 1000 * statistics.median(times)),
            ):  # fmt: skip
                row.setdefault(name, []).append(round(value, 2))
    medians = {
        name: {key: statistics.median(values) for key, values in row.items()}
        for name, row in found.items()
    }
    return {
        "mean_kB": round(statistics.fmean(map(len, files)) / 1000, 1),
        "decoding_only_images_a_second": statistics.median(limits),
        "median": medians,
        "rounds": found,
    }


def _ours(uri: str, files: Sequence[bytes]) -> Server:
    script = str(Path(sys.executable).parent / "mineralsweep")
    command = [script, "serve", "--model", uri, "--port"]
    return Server("mineralsweep serve", command, "/classify", "application/octet-stream", files)


def _plain(uri: str, files: Sequence[bytes]) -> Server:
    bodies = [
        json.dumps(
            {"dataframe_split": {"columns": ["image"], "data": [[base64.b64encode(one).decode()]]}}
        ).encode()
        for one in files
    ]
    return Server("mlflow models serve", _mlflow(uri), "/invocations", "application/json", bodies)


def _mlflow(uri: str) -> list[str]:
    script = str(Path(sys.executable).parent / "mlflow")
    return [script, "models", "serve", "--env-manager", "local", "-m", uri, "-p"]


def _peer(scratch: Path, files: Sequence[bytes]) -> Server:
    """Save model 2 as a plain script would, and the requests that it takes."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    from mineralsweep.models import get

    network = get("model2").build((PEER_SIDE, PEER_SIDE, 3), 3)
    shape = (-1, PEER_SIDE, PEER_SIDE, 3)
    signature = ModelSignature(Schema([TensorSpec(np.dtype(np.float32), shape)]))
    with warnings.catch_warnings(action="ignore"):
        mlflow.keras.save_model(network, str(scratch / "peer"), signature=signature)
    bodies = []
    for one in files[:8]:
        image = Image.open(io.BytesIO(one)).convert("RGB").resize((PEER_SIDE, PEER_SIDE))
        bodies.append(json.dumps({"inputs": [np.asarray(image, np.float32).tolist()]}).encode())
    return Server(
        "plain mlflow.keras", _mlflow(str(scratch / "peer")), "/invocations", "application/json",
        bodies,
    )  # fmt: skip


@contextlib.contextmanager
def _running(server: Server) -> Iterator[int]:
    """Give the port of a server while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = subprocess.Popen(
        [*server.command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    try:
        _wait(port)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait(port: int) -> None:
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.5)
    raise TimeoutError(f"nothing answers on port {port}")


def _load(port: int, server: Server, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Ask for a while; return images a second, and the seconds of each request."""
    until = time.perf_counter() + seconds

    def ask(client: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        times, at = [], client
        while time.perf_counter() < until:
            body = server.bodies[at % len(server.bodies)]
            started = time.perf_counter()
            connection.request("POST", server.route, body, {"Content-Type": server.kind})
            reply = connection.getresponse()
            content = reply.read()
            if reply.status != 200:
                raise RuntimeError(f"{server.name}: {reply.status} {content[:200]!r}")
            times.append(time.perf_counter() - started)
            at += clients
        return times

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        times = [one for own in threads.map(ask, range(clients)) for one in own]
    return len(times) / (time.perf_counter() - started), times


def _decoding(files: Sequence[bytes], size: int) -> float:
    """Return images a second that are only decoded and resized, on all cores."""
    with ProcessPoolExecutor(cores()) as processes:
        list(processes.map(_decode, [files[:4]] * cores(), [size] * cores()))
        parts = [files[start :: cores()] for start in range(cores())]
        started = time.perf_counter()
        list(processes.map(_decode, parts, [size] * cores()))
        return round(len(files) / (time.perf_counter() - started), 1)


def _decode(files: Sequence[bytes], size: int) -> None:
    for one in files:
        decode(one, (size, size))


if __name__ == "__main__":
    main()
