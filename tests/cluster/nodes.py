"""A Ray cluster on one machine: real `ray start` processes, each node in a network of its own.

Nodes are network namespaces of Linux, so that a link can be cut; that needs root. Without it, they
share the machine's network, and a node whose link is cut is stopped instead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.server.services import free_port

RAY = str(Path(sys.executable).parent / "ray")
START_SECONDS = 60
MARK = "MINERALSWEEP_TEST_NODE"
"""In the environment of all processes of a node."""
STORE_BYTES = str(200 * 2**20)

# Of all clusters of this process, and of drivers that it starts.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def namespaces_are_to_be_had() -> bool:
    """Say whether this process may make networks."""
    name = f"ms{secrets.token_hex(3)}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@dataclass
class Node:
    """One node; `namespace` is "" where it shares the machine's network."""

    name: str
    namespace: str
    link: str
    cache: Path
    process: subprocess.Popen[bytes]

    def processes(self) -> list[psutil.Process]:
        """Return all processes of the node, those of Ray's workers too."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if one.environ().get(MARK) == self.name:
                    found.append(one)
        return found

    def trains(self) -> bool:
        """Say whether a trial runs there now."""
        for one in self.processes():
            with contextlib.suppress(psutil.Error):
                if any("Slot.run" in part for part in one.cmdline()):
                    return True
        return False

    def kill(self) -> None:
        """End it as a power cut does."""
        self._signal(signal.SIGKILL)
        self.process.wait(30)
        if self.namespace:
            _ip("netns", "del", self.namespace)

    def cut(self) -> None:
        """Cut its link; its processes go on."""
        if self.namespace:
            _ip("link", "set", self.link, "down")
        else:
            self._signal(signal.SIGSTOP)

    def heal(self) -> None:
        """Give it its link back."""
        if self.namespace:
            _ip("link", "set", self.link, "up")
        else:
            self._signal(signal.SIGCONT)

    def received(self) -> int:
        """Return the bytes of files that trials needed and that came to it."""
        sent = self.cache / "sent"
        return sum(path.stat().st_size for path in sent.rglob("*") if path.is_file())

    def _signal(self, number: signal.Signals) -> None:
        for one in self.processes():
            with contextlib.suppress(psutil.Error):
                one.send_signal(number)


@dataclass
class Cluster:
    """A head that trains nothing, and nodes."""

    folder: Path
    apart: bool = field(default_factory=namespaces_are_to_be_had)
    nodes: list[Node] = field(default_factory=list)
    address: str = ""

    def __post_init__(self) -> None:
        self._token = secrets.token_hex(2)
        self._subnet = f"10.{77 + secrets.randbelow(50)}.{secrets.randbelow(250)}"
        self._bridge = f"br{self._token}"
        self._made = 0
        self._head: Node | None = None

    def begin(self) -> None:
        """Start the head."""
        host = "127.0.0.1"
        if self.apart:
            host = f"{self._subnet}.1"
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("addr", "add", f"{host}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
        port = free_port()
        self.address = f"{host}:{port}"
        self._head = self._start(
            f"{self._token}-head", "", "", [
                "--head", f"--port={port}", f"--node-ip-address={host}", "--num-cpus=0",
                "--include-dashboard=false",
            ],
        )  # fmt: skip

    def add(self, cpus: int = 1, **environment: str) -> Node:
        """Start a node, and return once the cluster has it."""
        self._made += 1
        name, number = f"{self._token}-{self._made}", self._made + 1
        namespace, link, host = "", "", "127.0.0.1"
        if self.apart:
            namespace, link, host = f"ns{name}", f"v{name}", f"{self._subnet}.{number}"
            _ip("netns", "add", namespace)
            _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            _ip("link", "set", link, "master", self._bridge, "up")
            _ip("-n", namespace, "addr", "add", f"{host}/24", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "eth0", "up")
            _ip("-n", namespace, "link", "set", "lo", "up")
        node = self._start(
            name, namespace, link,
            [f"--address={self.address}", f"--node-ip-address={host}", f"--num-cpus={cpus}"],
            environment,
        )  # fmt: skip
        self.nodes.append(node)
        return node

    def end(self) -> None:
        """End all of it."""
        for node in [*self.nodes, *([self._head] if self._head else [])]:
            with contextlib.suppress(subprocess.SubprocessError):
                node.heal()
                node.kill()
        if self.apart:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("link", "del", self._bridge)

    def _start(
        self, name: str, namespace: str, link: str, options: list[str],
        environment: dict[str, str] | None = None,
    ) -> Node:  # fmt: skip
        cache = self.folder / f"cache-{name}"
        paths = [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
        surroundings = {
            **os.environ, **(environment or {}), MARK: name, "MINERALSWEEP_CACHE": str(cache),
            "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(paths),
        }  # fmt: skip
        surroundings.pop("RAY_ADDRESS", None)
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        log = self.folder / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*inside, RAY, "start", *options, f"--object-store-memory={STORE_BYTES}",
                 "--num-gpus=0", "--block"],
                env=surroundings, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        _until_up(log, process)
        return Node(name, namespace, link, cache, process)


def _until_up(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Ray runtime started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"a node did not start: {log.read_text()[-2000:]}")
        time.sleep(0.2)


@contextlib.contextmanager
def cluster(folder: Path, nodes: int) -> Iterator[Cluster]:
    """Run a cluster until the block ends."""
    found = Cluster(folder)
    try:
        found.begin()
        for _ in range(nodes):
            found.add()
        yield found
    finally:
        found.end()
