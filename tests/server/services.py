"""PostgreSQL and `mlflow server`, started for the tests: on loopback, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

BIN = Path(sys.executable).parent
DATABASES = ("mlflow", "optuna")
START_SECONDS = 120


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def programs() -> Path:
    """Return the folder with PostgreSQL's own programs (Debian keeps them off the PATH)."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not versions:
        raise RuntimeError("PostgreSQL is not installed; run: make server-test")
    return versions[-1].parent


@dataclass(frozen=True)
class Postgres:
    """A running cluster that asks for a password. `log` is what it printed."""

    port: int
    password: str
    log: Path

    def url(self, database: str) -> str:
        """Return the URL of a database, password included: for environments, never for flags."""
        return f"postgresql+psycopg://sweeper:{self.password}@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a cluster with the two databases until the block ends, in a folder of its own.

    PostgreSQL refuses to run as root: root runs it as the user `postgres`, who can't reach
    pytest's folders.
    """
    with tempfile.TemporaryDirectory(prefix="mineralsweep-postgres-") as scratch:
        yield from _cluster(Path(scratch))


def _cluster(folder: Path) -> Iterator[Postgres]:
    password, port = secrets.token_urlsafe(12), free_port()
    secret, data, log = folder / "secret", folder / "data", folder / "postgres.log"
    secret.write_text(password)
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        for path in (folder, secret):
            shutil.chown(path, "postgres")
    run = programs()
    subprocess.run(
        [str(run / "initdb"), "-D", str(data), "-U", "sweeper", "--auth=scram-sha-256",
         f"--pwfile={secret}", "--no-sync", "-E", "UTF8", "--no-locale"],
        check=True, capture_output=True, cwd=folder, **as_user,
    )  # fmt: skip
    with log.open("w") as output:
        server = subprocess.Popen(
            [str(run / "postgres"), "-D", str(data), "-p", str(port),
             "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}",
             "-c", "fsync=off"],
            stdout=output, stderr=output, cwd=folder, **as_user,
        )  # fmt: skip
        found = Postgres(port, password, log)
        try:
            _make_databases(found, server)
            yield found
        finally:
            server.send_signal(signal.SIGINT)  # "fast": it ends its connections
            server.wait(30)


def _make_databases(found: Postgres, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    plain = found.url("postgres").replace("+psycopg", "")
    while True:
        try:
            connection = psycopg.connect(plain, autocommit=True)
            break
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no PostgreSQL: {found.log.read_text()[-2000:]}") from None
            time.sleep(0.2)
    with connection:
        for name in DATABASES:
            connection.execute(f"CREATE DATABASE {name}")


@dataclass(frozen=True)
class Tracking:
    """A running `mlflow server` that keeps the artifacts itself."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def mlflow_server(folder: Path, database: str) -> Iterator[Tracking]:
    """Run `mlflow server` on a database, with proxied artifacts, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "server.log"
    url = f"http://127.0.0.1:{port}"
    # From the environment: a password on a command line is there for every user to read.
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": database}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
             "--workers", "1", "--artifacts-destination", str(folder / "artifacts")],
            env=environment, stdout=output, stderr=output, cwd=folder, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for(f"{url}/health", process, log)
            yield Tracking(url, process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (loopback)
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no mlflow server: {log.read_text()[-2000:]}") from None
            time.sleep(0.3)
