"""Thousands of requests, good and bad, while the champion changes: what is wrong, lost, or grows?

    python -m benchmarks.soak --model NAME --versions 1 2 --data PHOTOGRAPHS

The registered model NAME has two versions; the alias champion goes from one to the other and back
while the clients ask `mineralsweep serve`. What each version answers to each file was asked before:
every reply must be that of the version that it names.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from mineralsweep.registry import Versions, load_classifier
from mineralsweep.registry.versions import CHAMPION, uri_of
from mineralsweep.tracking import open_store

CLIENTS = 16
TOLERANCE = 1e-4
BAD = (
    b"",
    b"hello",
    b"<html></html>",
    b"\xff\xd8\xff\xe0 no more of a JPEG",
    b"%PDF-1.7",
    bytes(5000),
)


def main() -> None:
    """Run it, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--versions", nargs=2, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--moves", type=int, default=2, help="of the alias")
    options = parser.parse_args()
    versions = Versions(open_store(), options.model)
    files = [path.read_bytes() for path in sorted(options.data.rglob("*")) if path.is_file()][::8]
    expected = {
        uri: _asked(uri, files)
        for uri in (uri_of(options.model, number) for number in options.versions)
    }
    first, second = options.versions
    versions.give(CHAMPION, first)
    moves = [(second, first)[move % 2] for move in range(options.moves)]
    print(json.dumps(_soak(versions, moves, files, expected, options.requests), indent=1))


def _asked(uri: str, files: Sequence[bytes]) -> list[tuple[str, float]]:
    model = load_classifier(uri)
    answers = model.predict(pd.DataFrame({"image": list(files)}))
    return list(zip(answers["label"], answers["confidence"], strict=True))


def _soak(
    versions: Versions,
    moves: Sequence[str],
    files: Sequence[bytes],
    expected: Mapping[str, Sequence[tuple[str, float]]],
    requests: int,
) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    script = str(Path(sys.executable).parent / "mineralsweep")
    uri = f"models:/{versions.name}@{CHAMPION}"
    process = subprocess.Popen(
        [script, "serve", "--model", uri, "--port", str(port), "--refresh", "1"],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    counts: collections.Counter[str] = collections.Counter()
    memory: list[float] = []
    done = threading.Event()
    try:
        _wait(port)
        server = psutil.Process(process.pid)

        def move() -> None:
            for place, version in enumerate(moves, 1):
                share = place / (len(moves) + 1)
                while sum(counts.values()) < share * requests and not done.wait(0.1):
                    pass
                versions.give(CHAMPION, version)

        def watch() -> None:
            while not done.wait(2):
                memory.append(round(server.memory_info().rss / 2**20, 1))

        helpers = [threading.Thread(target=one) for one in (move, watch)]
        for one in helpers:
            one.start()
        started = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as clients:
            for outcome in clients.map(
                lambda number: _one(port, number, files, expected), range(requests)
            ):
                counts[outcome] += 1
        seconds = time.monotonic() - started
    finally:
        done.set()
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    return {
        "requests": requests, "seconds": round(seconds, 1), "outcomes": dict(counts),
        "memory_MiB": memory[:: max(1, len(memory) // 12)],
    }  # fmt: skip


def _wait(port: int) -> None:
    for _ in range(240):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError("the server does not answer")


_own = threading.local()


def _one(
    port: int,
    number: int,
    files: Sequence[bytes],
    expected: Mapping[str, Sequence[tuple[str, float]]],
) -> str:
    """Send one request, and say what came of it."""
    bad = number % 5 == 0
    place = number % len(files)
    body = BAD[number // 5 % len(BAD)] if bad else files[place]
    try:
        if not hasattr(_own, "connection"):
            _own.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        _own.connection.request("POST", "/classify", body, {"Content-Type": "image/jpeg"})
        reply = _own.connection.getresponse()
        told = json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        del _own.connection
        return f"lost: {type(error).__name__}"
    if bad or reply.status != 200:
        return f"{'bad' if bad else 'GOOD'} image, status {reply.status}"
    [answer] = told["answers"]
    label, confidence = expected[told["model"]][place]
    right = answer["label"] == label and abs(answer["confidence"] - confidence) < TOLERANCE
    return f"{'right' if right else 'WRONG'} answer of {told['model']}"


if __name__ == "__main__":
    main()
