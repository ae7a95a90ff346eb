"""One driver a study: a lock that dies with its holder, in the folder and in the database."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from mineralsweep import files
from mineralsweep.errors import ConfigError, StudyConflict
from mineralsweep.urls import without_password

LOCK = "lock"


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
            held.enter_context(files.exclusive(folder / LOCK))
        except files.Taken as taken:
            where = f"in process {taken.owner} of this machine"
            raise _taken(folder.name, where) from None
        if storage is not None:
            held.enter_context(_database_locked(folder.name, storage))
        yield


def _taken(study: str, where: str) -> StudyConflict:
    return StudyConflict(
        f"study '{study}' has a driver already, {where}; a study has one at a time. Wait for it,"
        " or take another name: --study NAME"
    )


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
    engine = create_engine(url, isolation_level="AUTOCOMMIT")  # no transaction stays open
    try:
        try:
            connection = engine.connect()
            if place.get_backend_name() == "mysql":
                connection.execute(text(f"SET SESSION wait_timeout = {LONGEST}"))
            asked = connection.execute(text(question), {"number": number})
        except SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"--storage: can't be opened: {reason}") from error
        if not asked.scalar():
            raise _taken(study, f"on another machine that uses {without_password(url)}")
        yield
    finally:
        engine.dispose()  # the lock goes with its connection


LONGEST = 2_147_483
"""Seconds for which MySQL may keep an idle connection, 24 days; its default is 8 hours."""

QUESTIONS: dict[str, str] = {
    "postgresql": "SELECT pg_try_advisory_lock(:number)",
    "mysql": "SELECT GET_LOCK(CONCAT('mineralsweep-', :number), 0)",
}
"""How a database is asked for a lock of this session; true for the one that has it."""


@contextlib.contextmanager
def _file_locked(study: str, database: str | None) -> Iterator[None]:
    """Lock a study of an SQLite file, which folders of several homes may share."""
    if not database or database == ":memory:":
        yield
        return
    name = hashlib.sha256(study.encode()).hexdigest()[:12]
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.exclusive(Path(f"{database}.{name}.lock")))
        except files.Taken as taken:
            where = f"in process {taken.owner}, which uses {database}"
            raise _taken(study, where) from None
        yield
