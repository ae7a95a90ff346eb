"""A log of a server's answers in SQLite. Answers never wait for it: one thread writes it."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
from PIL import Image

from mineralsweep import files
from mineralsweep.data.formats import READ
from mineralsweep.errors import ConfigError, UnusableImage
from mineralsweep.serving.classifier import COLUMN, file_in
from mineralsweep.web.limits import MAX_REQUEST_BYTES
from mineralsweep.web.live import Say

APPLICATION = 0x4D534C47
"""SQLite's number of the application that a file belongs to: "MSLG"."""
SAID = ("label", "confidence", "verdict", "novelty")
SCHEMA = """CREATE TABLE IF NOT EXISTS answers (
    time TEXT NOT NULL, sha256 TEXT NOT NULL, label TEXT, confidence REAL, verdict TEXT,
    novelty REAL, version TEXT NOT NULL, route TEXT NOT NULL, file TEXT NOT NULL)"""
EVERY_SECONDS = 0.5
"""Between two writes: a killed server loses the answers of so long."""
MOST_WAITING = 10_000
"""Requests that wait to be looked at; together they hold at most the bytes of one request."""
LOCKED_SECONDS = 5.0
END_SECONDS = 10.0
MB = 10**6
SUFFIXES = {"jpeg": "jpg", "mpo": "jpg"}
"""Of formats that are not named like their files; a phone's JPEG may hold two pictures."""


class ImageFolder:
    """Files of images under their digest, up to a number of bytes; none is ever deleted.

    Args:
        folder: is made; what is in it counts.
        megabytes: at most; then no more are kept.

    Raises:
        ConfigError: the folder can't be made.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self.megabytes = folder.absolute(), megabytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._left = megabytes * MB - files.size(self.folder)
        except OSError as error:
            raise ConfigError(
                f"--log-images: {folder} can't be made: {error.strerror}; name another folder"
            ) from None
        self.ended = ""
        """Why no more images are kept; "": they are."""

    def keep(self, digest: str, content: bytes) -> str:
        """Keep an image, and return where it is; "" where it is not kept."""
        path = self.folder / f"{digest}{_suffix(content)}"
        if path.exists():
            return str(path)
        if self.ended or len(content) > self._left:
            self.ended = self.ended or f"it holds {self.megabytes} MB (--log-images-mb)"
            return ""
        try:
            files.write_atomically(path, lambda part: part.write_bytes(content))
        except OSError as error:
            self.ended = error.strerror or str(error)
            return ""
        self._left -= len(content)
        return str(path)


def _suffix(content: bytes) -> str:
    try:
        with Image.open(io.BytesIO(content), formats=READ) as image:
            kind = (image.format or "").lower()
            return f".{SUFFIXES.get(kind, kind)}".rstrip(".")
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""


@dataclass(frozen=True)
class _Answered:
    """One request: what was sent, a row each, and what was answered."""

    time: str
    version: str
    route: str
    sent: Sequence[Any]
    answers: pd.DataFrame
    size: int

    def rows(self, images: ImageFolder | None) -> Iterator[tuple[Any, ...]]:
        """Return a row of the table an image."""
        said = [_plain(self.answers, name) for name in SAID]
        for value, *row in zip(self.sent, *said, strict=True):
            content = _content(value)
            digest = hashlib.sha256(content).hexdigest()
            file = images.keep(digest, content) if images and row[0] is not None else ""
            yield self.time, digest, *row, self.version, self.route, file


def _plain(answers: pd.DataFrame, name: str) -> list[Any]:
    """Return a column without NaN; None a row where it is absent."""
    values = answers[name].tolist() if name in answers else [None] * len(answers)
    return [None if one != one else one for one in values]  # NaN alone


def _content(value: Any) -> bytes:
    """Return the file in a row; of what is none, its own bytes."""
    try:
        return file_in(value)
    except UnusableImage:
        return str(value).encode("utf-8", "replace")


class AnswerLog:
    """Takes answers as they are given, and writes them twice a second.

    Where the disk is full or slow, answers are given all the same; what could not be written is
    counted. As a context manager it writes what waits at the end.

    Args:
        path: of the file; made if need be.
        say: is told once that answers are lost, and once that no more images are kept.
        images: keeps the images too.

    Raises:
        ConfigError: the file is another program's, or can't be written.
    """

    def __init__(self, path: Path, say: Say, images: ImageFolder | None = None) -> None:
        self.path = path
        self.dropped = 0
        """Answers that could not be written."""
        self._say, self._images = say, images
        self._told: set[str] = set()
        self._waiting: list[_Answered] = []
        self._bytes = 0
        self._changed = threading.Condition()
        self._ending = threading.Event()
        try:
            opened(path).close()
        except sqlite3.Error as error:
            raise ConfigError(
                f"--log: {path} can't be written: {error}; name another file"
            ) from None
        self._writer = threading.Thread(target=self._work, daemon=True)
        self._writer.start()

    @property
    def keeps(self) -> str:
        """What is kept of an image that is asked about: its answer, or the image too."""
        return "the answer" if self._images is None else "the image and the answer"

    def add(self, data: Any, answers: pd.DataFrame, version: str, route: str) -> None:
        """Take the answers to one request; never waits, never raises.

        Args:
            data: as MLflow's application hands it to a model.
            answers: a row an image.
            version: URI of the model that answered.
            route: by which it was asked.
        """
        try:
            sent = _sent(data)
            size = sum(len(one) for one in sent if isinstance(one, str | bytes))
        except Exception:  # of a form that we don't know: the answer counts, not its log
            sent, size = [], 0
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._changed:
            room = self._bytes + size <= MAX_REQUEST_BYTES and len(self._waiting) < MOST_WAITING
            if room and len(sent) == len(answers):
                self._waiting.append(_Answered(now, version, route, sent, answers, size))
                self._bytes += size
            else:
                self.dropped += len(answers)
            self._changed.notify()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        with self._changed:
            self._changed.notify()
        self._writer.join(END_SECONDS)

    def _work(self) -> None:
        rows: list[tuple[Any, ...]] = []
        written = time.monotonic()
        while not self._ending.is_set() or self._waiting or rows:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting or self._ending.is_set(), EVERY_SECONDS
                )
                taken, self._waiting = self._waiting, []
            for one in taken:
                rows += self._rows(one)
            if self._ending.is_set() or time.monotonic() - written > EVERY_SECONDS:
                self._write(rows)
                rows, written = [], time.monotonic()
                self._tell()

    def _rows(self, one: _Answered) -> list[tuple[Any, ...]]:
        """Return the rows of a request; its images are let go."""
        try:
            return list(one.rows(self._images))
        except Exception as error:  # the thread goes on
            self._lose(len(one.sent), str(error))
            return []
        finally:
            with self._changed:
                self._bytes -= one.size

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        try:
            # Opened each time: a file that was moved away is begun anew.
            with closing(opened(self.path)) as database, database:
                database.executemany(f"INSERT INTO answers VALUES ({', '.join('?' * 9)})", rows)  # noqa: S608
        except Exception as error:  # the disk may have room again later
            self._lose(len(rows), str(error))

    def _lose(self, count: int, why: str) -> None:
        with self._changed:
            self.dropped += count
        self._once("lost", f"{self.path}: answers are given and not logged: {why}")

    def _tell(self) -> None:
        if self.dropped:
            self._once("lost", f"{self.path}: answers come faster than they can be logged")
        if self._images is not None and self._images.ended:
            folder, why = self._images.folder, self._images.ended
            self._once("images", f"{folder}: no more images are kept: {why}")

    def _once(self, key: str, line: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._say(f"{line}; /metrics counts them" if key == "lost" else line)


def opened(path: Path) -> sqlite3.Connection:
    """Open a log, made if need be.

    Raises:
        ConfigError: the file is another program's.
        sqlite3.Error: it is no database, or can't be written.
    """
    database = sqlite3.connect(path, timeout=LOCKED_SECONDS)
    try:
        check(database, path)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        (number,) = database.execute("PRAGMA application_id").fetchone()
        if number != APPLICATION:
            with database:
                database.execute(f"PRAGMA application_id = {APPLICATION}")
                database.execute(SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def check(database: sqlite3.Connection, path: Path, empty: bool = True) -> None:
    """Refuse another program's file; `empty`: one with nothing in it is taken.

    Raises:
        ConfigError: it is one.
    """
    (number,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if number != APPLICATION and (tables or not empty):
        raise ConfigError(f"{path}: is no log of answers; name a file of mineralsweep serve --log")


def _sent(data: Any) -> list[Any]:
    """Return what was sent, a row an image; MLflow hands on tables, mappings and arrays."""
    column = data[COLUMN] if isinstance(data, pd.DataFrame | Mapping) else data
    return column.ravel().tolist() if isinstance(column, np.ndarray) else list(column)
