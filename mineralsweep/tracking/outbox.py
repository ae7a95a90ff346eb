"""The outbox: what MLflow is to hold, on disk first, in the order in which it happened."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import TypeAdapter

from mineralsweep import files, machine
from mineralsweep.core.record import State
from mineralsweep.core.trial import EpochReport, FoldResult, TrialResult, TrialSpec
from mineralsweep.tracking.system import PREFIX
from mineralsweep.training.folds import Predicted

SPEC, EVENTS, END = "spec.json", "events.jsonl", "end.json"
ATTEMPTS = "attempts.json"
NETWORK, CHECKPOINT, ARTIFACTS = "network", "checkpoint", "artifacts"
GONE, DAMAGED = ".delivered-", ".damaged-"
STATES = "states"
"""Holds the last states of trials that others may go on from; no entry."""


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow counts it."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Card:
    """What names an attempt at a trial, and what was set for it.

    Attributes:
        token: names the attempt's run, whatever else changes: runs are found by it.
        time: of its beginning, in ns since 1970; entries are delivered in this order.
    """

    number: int
    attempt: int
    architecture: str
    params: dict[str, Any]
    token: str
    time: int


@dataclass(frozen=True)
class Point:
    """Metrics at a step, with the time (ms since 1970) at which they were measured."""

    metrics: dict[str, float]
    step: int
    time: int


@dataclass(frozen=True)
class Change:
    """The run is suspended: its trial will go on from a checkpoint. Or it goes on now."""

    kind: Literal["suspended", "resumed"]
    reason: str


Happening = Point | Change


class Entry:
    """One attempt at a trial. May be written by several threads.

    The folder holds spec.json, events.jsonl (a line each, appended), and at the end result.npz,
    end.json and network/. It is removed once MLflow has all of it.
    """

    def __init__(self, folder: Path, card: Card, happened: list[Happening]) -> None:
        self.folder = folder
        self.card = card
        self.happened = happened
        self._lock = threading.Lock()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what a driver left; a last line that was cut off is dropped.

        Raises:
            OSError, ValueError, TypeError: the folder is no entry.
        """
        card = Card(**json.loads((folder / SPEC).read_text(encoding="utf-8")))
        return cls(folder, card, _read_lines(folder / EVENTS))

    @property
    def network(self) -> Path:
        """Where the trained network is written."""
        return self.folder / NETWORK

    @property
    def checkpoint(self) -> Path:
        """Where the training keeps its checkpoint."""
        return self.folder / CHECKPOINT

    @property
    def artifacts(self) -> Path:
        """Where figures and the packed model wait for MLflow."""
        return self.folder / ARTIFACTS

    @property
    def ended(self) -> bool:
        """Whether the attempt has an end, so that nothing more will happen to it."""
        return (self.folder / END).exists()

    def end(self) -> End:
        """Return how the attempt ended.

        Raises:
            OSError: it has not.
        """
        return End.read(self.folder, END, self.network)

    def add(self, what: Happening) -> None:
        """Append what happened.

        Raises:
            OSError: the disk takes no more; nothing of it is there then.
        """
        line = json.dumps({"is": type(what).__name__, **asdict(what)}) + "\n"
        with self._lock, (self.folder / EVENTS).open("ab", buffering=0) as file:
            whole = file.seek(0, os.SEEK_END)
            try:
                if file.write(line.encode()) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file.name))
            except OSError:
                file.truncate(whole)  # half a line would spoil the next one
                raise
            self.happened.append(what)

    def holds(self, metrics: Mapping[str, float], step: int) -> bool:
        """Say whether these metrics have a value at this step already."""
        return any(
            isinstance(one, Point) and one.step == step and metrics.keys() <= one.metrics.keys()
            for one in self.happened
        )

    def samples(self) -> int:
        """Return how often the system was measured."""
        return sum(
            isinstance(one, Point) and all(name.startswith(PREFIX) for name in one.metrics)
            for one in self.happened
        )

    def conclude(self, end: End) -> None:
        """End the attempt. Once this returns, its result survives the death of the driver.

        Raises:
            OSError: the disk takes no more; the attempt has no end then.
        """
        for path in self.network.rglob("*"):  # a power cut must not leave an end without its model
            if path.is_file():
                with path.open("r+b") as file:  # to be written to: Windows asks for that
                    os.fsync(file.fileno())
        end.write(self.folder, END)

    def remove(self) -> None:
        """Take the entry out of the outbox; MLflow has all of it."""
        gone = self.folder.with_name(f"{GONE}{self.folder.name}-{self.card.token}")
        with contextlib.suppress(FileNotFoundError):
            files.move(self.folder, gone)  # in one step: a killed driver leaves all of it or none
        shutil.rmtree(gone, ignore_errors=True)


class Outbox:
    """The entries of one study that MLflow does not have yet.

    Args:
        folder: the study's own; made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def driver(self) -> str:
        """Return what names this machine and this folder, without telling them."""
        return hashlib.sha256(f"{machine.name()}:{self.folder.resolve()}".encode()).hexdigest()[:16]

    def begin(self, spec: TrialSpec, attempt: int) -> Entry:
        """Make the entry of an attempt that begins now.

        Raises:
            OSError: the disk takes no more.
        """
        name = f"trial-{spec.number:03d}-attempt-{attempt}"
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)  # no entry: those are never begun twice
        folder.mkdir(parents=True)
        card = Card(
            spec.number,
            attempt,
            spec.architecture_name,
            spec.params(),
            uuid.uuid4().hex,
            time.time_ns(),
        )
        text = json.dumps(asdict(card))
        files.write_atomically(folder / SPEC, lambda path: path.write_text(text, encoding="utf-8"))
        return Entry(folder, card, [])

    def left(self) -> list[Entry]:
        """Return the entries that are there, oldest first.

        What was only begun is removed. What has a result but can't be read is set aside.
        """
        found = []
        for folder in self.folder.iterdir():
            if not folder.is_dir() or folder.name == STATES or folder.name.startswith(DAMAGED):
                continue
            try:
                found.append(Entry.read(folder))
            except (OSError, ValueError, TypeError):  # killed while it was made, or removed
                if (folder / END).exists() and not folder.name.startswith(GONE):
                    files.move(folder, folder.with_name(f"{DAMAGED}{folder.name}-{now_ms()}"))
                else:
                    shutil.rmtree(folder, ignore_errors=True)
        return sorted(found, key=lambda entry: entry.card.time)

    def next_attempt(self, number: int) -> int:
        """Count an attempt at a trial, from 1, earlier sessions' included."""
        counts: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError):
            counts = json.loads((self.folder / ATTEMPTS).read_text(encoding="utf-8"))
        counts[str(number)] = attempt = counts.get(str(number), 0) + 1
        text = json.dumps(counts)
        files.write_atomically(
            self.folder / ATTEMPTS, lambda path: path.write_text(text, encoding="utf-8")
        )
        return attempt


def _read_lines(path: Path) -> list[Happening]:
    found: list[Happening] = []
    kept = 0
    with contextlib.suppress(FileNotFoundError):
        data = path.read_bytes()
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            found.append(_happening(json.loads(line)))
            kept += len(line)
        if kept < len(data):
            os.truncate(path, kept)
    return found


def _happening(data: dict[str, Any]) -> Happening:
    kind = data.pop("is")
    return Point(**data) if kind == Point.__name__ else Change(**data)


ARRAYS = "result.npz"


@dataclass(frozen=True)
class Best:
    """The sweep's best value after so many ended trials."""

    ended: int
    value: float
    metric: str


@dataclass(frozen=True)
class End:
    """An attempt's end.

    Attributes:
        state: COMPLETE, PRUNED or FAILED.
        reason: why; "" for a trial that ran to its last epoch.
        time: ms since 1970.
        record: what the engine is told, as plain data; None where the trial is tried again.
        best: of the sweep with this trial; None where there is none.
        log: what the worker printed last, of a failed trial.
        result: of the training, None for a failed trial.
        predicted: the images that `result.probabilities` answers for; None for a failed trial.
    """

    state: State
    reason: str
    time: int
    record: dict[str, Any] | None = None
    best: Best | None = None
    log: str = ""
    result: TrialResult | None = None
    predicted: Predicted | None = None

    def write(self, folder: Path, name: str) -> None:
        """Write it to `folder`; the file `name` comes last, and stands for a whole end."""
        data = asdict(self)
        if self.result is not None:
            del data["result"]["probabilities"], data["result"]["folder"]
            buffer = io.BytesIO()
            np.savez(buffer, probabilities=self.result.probabilities)
            _write_through(folder / ARRAYS, buffer.getvalue())
        _write_through(folder / name, json.dumps(data).encode())

    @classmethod
    def read(cls, folder: Path, name: str, network: Path) -> Self:
        """Read what `write` wrote.

        Args:
            folder: written by `write`.
            name: of the file that stands for the end.
            network: becomes the result's folder.

        Raises:
            OSError: the files are not there.
        """
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        if data["result"] is not None:
            with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                data["result"] |= {"probabilities": arrays["probabilities"], "folder": network}
        for field, reader in READERS.items():
            data[field] = None if data[field] is None else reader(data[field])
        return cls(**data)


def _result(data: dict[str, Any]) -> TrialResult:
    plain = {
        "history": HISTORY.validate_python(data["history"]),
        "folds": FOLDS.validate_python(data["folds"]),
        "rows": None if data["rows"] is None else tuple(data["rows"]),
    }
    return TrialResult(**data | plain)


HISTORY = TypeAdapter(tuple[EpochReport, ...])
FOLDS = TypeAdapter(tuple[FoldResult, ...])
READERS: dict[str, Callable[[Any], Any]] = {
    "best": TypeAdapter(Best).validate_python,
    "predicted": TypeAdapter(Predicted).validate_python,
    "result": _result,
}
"""Of the fields of an `End` that JSON does not hold as they are: it has lists for tuples."""


def _write_through(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, also after a power cut."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    files.write_atomically(path, write)
