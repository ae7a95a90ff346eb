"""One driver a study: a lock that dies with its holder, in the folder and in the database."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mineralsweep.errors import ConfigError, StudyConflict
from mineralsweep.urls import without_password

LOCK, OWNER = "lock", "owner"
OWNER_TRIES = 20


@contextlib.contextmanager
def study_locked(folder: Path, storage: str | None = None) -> Iterator[None]:
    """Keep every other driver from a study while the block lasts.

    Args:
        folder: the study's own; made if need be. Its name is the study's.
        storage: the URL of a database that other machines may reach too: a lock of the database
            keeps them out. None: the folder alone.

    Raises:
        StudyConflict: another process has it.
        ConfigError: the database can't be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(FileLock(folder / LOCK, timeout=0))
        except Timeout:
            raise _taken(folder.name, f"in process {_owner(folder)} of this machine") from None
        (folder / OWNER).write_text(str(os.getpid()))
        if storage is not None:
            held.enter_context(_database_locked(folder.name, storage))
        yield


def _taken(study: str, where: str) -> StudyConflict:
    return StudyConflict(
        f"study '{study}' has a driver already, {where}; a study has one at a time. Wait for it,"
        " or take another name: --study NAME"
    )


def _owner(folder: Path) -> str:
    """Return the number of the process that holds the lock; it may be writing it just now."""
    for _ in range(OWNER_TRIES):
        with contextlib.suppress(OSError):
            owner = (folder / OWNER).read_text().strip()
            if owner:
                return owner
        time.sleep(0.1)
    return "unknown"


@contextlib.contextmanager
def _database_locked(study: str, url: str) -> Iterator[None]:
    from sqlalchemy import create_engine, make_url, text
    from sqlalchemy.exc import SQLAlchemyError

    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        with _file_locked(study, place.database):
            yield
        return
    question = QUESTIONS.get(place.get_backend_name())
    if question is None:
        yield
        return
    number = int.from_bytes(hashlib.sha256(study.encode()).digest()[:7], "big")
    engine = create_engine(url)
    try:
        try:
            connection = engine.connect()
            asked = connection.execute(text(question), {"number": number})
        except SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"--storage: can't be opened: {reason}") from error
        if not asked.scalar():
            raise _taken(study, f"on another machine that uses {without_password(url)}")
        yield
    finally:
        engine.dispose()  # the lock goes with its connection


QUESTIONS: dict[str, str] = {
    "postgresql": "SELECT pg_try_advisory_lock(:number)",
    "mysql": "SELECT GET_LOCK(CONCAT('mineralsweep-', :number), 0)",
}
"""How a database is asked for a lock of this session; true for the one that has it."""


def _file_locked(study: str, database: str | None) -> Any:
    """Lock a study of an SQLite file, which folders of several homes may share."""
    if not database or database == ":memory:":
        return contextlib.nullcontext()
    name = hashlib.sha256(study.encode()).hexdigest()[:12]
    lock = FileLock(Path(f"{database}.{name}.lock"), timeout=0)

    @contextlib.contextmanager
    def hold() -> Iterator[None]:
        try:
            with lock:
                yield
        except Timeout:
            raise _taken(study, f"in another process that uses {database}") from None

    return hold()
