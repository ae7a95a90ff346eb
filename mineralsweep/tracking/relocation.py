"""Artifact locations of an SQLite store, rewritten after a project was moved.

MLflow 3.17 has no command for it: a run's and a model's location can't be changed by its API.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION

from mineralsweep.errors import InputError
from mineralsweep.tracking.locations import LOST, database_of, has_files, path_of

BUSY_SECONDS = 5.0
"""Wait for another process that writes to the database."""
NAMED = 3
"""Folders that are named, at most."""
READY = 2
"""`logged_models.status` of a model whose files were written."""


@dataclass(frozen=True)
class Column:
    """A column of MLflow's tables that holds artifact locations.

    Attributes:
        rows: what a row is, for people.
        where: of the rows that hold one.
        kept: of the rows whose files must be there, for something was surely written.
    """

    table: str
    name: str
    rows: str
    where: str = "1"
    kept: str = "0"


_ACTIVE = "(current_stage IS NULL OR current_stage != 'Deleted_Internal')"
_KEPT = f"status = {READY} AND lifecycle_stage = 'active'"
COLUMNS = (
    Column("experiments", "artifact_location", "experiments"),
    Column("runs", "artifact_uri", "runs"),
    Column("logged_models", "artifact_location", "logged models", kept=_KEPT),
    Column("model_versions", "source", "registered versions"),
    Column("model_versions", "storage_location", "registered versions", kept=_ACTIVE),
    Column("trace_tags", "value", "traces", f"key = '{MLFLOW_ARTIFACT_LOCATION}'"),
)


@dataclass(frozen=True)
class Change:
    """One location that becomes another one."""

    column: Column
    rowid: int
    location: str
    place: Path
    lacking: bool


@dataclass(frozen=True)
class Rewritten:
    """What was changed: rows by what they are, and the copy of the database as it was before."""

    database: Path
    rows: dict[str, int]
    backup: Path | None


def rewrite(uri: str, old: Path, new: Path, force: bool = False) -> Rewritten:
    """Have an SQLite store look for its artifacts under `new` where it names `old`.

    One transaction, after a copy of the database was written beside it. Nothing else is changed,
    no artifact is moved, and a second call changes nothing.

    Args:
        uri: of the tracking store.
        old: absolute; need not be there.
        new: absolute; holds what `old` held.
        force: also where `new` lacks files.

    Raises:
        InputError: the store is no SQLite file of this machine, it is in use, or `new` lacks
            files; nothing was changed.
    """
    database = database_of(uri)
    if database is None or not database.is_file():
        raise InputError(
            f"MLFLOW_TRACKING_URI: {uri} is no SQLite file of this machine; a server's locations"
            " are mended where its database is"
        )
    if not new.is_dir():
        raise InputError(f"NEW: {new}: no such folder; give the one that {old} is now")
    try:
        with contextlib.closing(_opened(database)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody else writes from here on
            changes = list(_changes(connection, old, new))
            lacking = sorted({str(one.place) for one in changes if one.lacking})
            if lacking and not force:
                raise InputError(_refusal(new, lacking))
            backup = _copied(database) if changes else None
            for one in changes:
                connection.execute(
                    f"UPDATE {one.column.table} SET {one.column.name} = ? WHERE rowid = ?",  # noqa: S608
                    (one.location, one.rowid),
                )
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise InputError(
            f"{database}: {error}; nothing was changed. End what uses it, and try again"
        ) from error
    counted = dict.fromkeys((one.column.rows, one.column.table, one.rowid) for one in changes)
    return Rewritten(database, dict(Counter(rows for rows, _, _ in counted)), backup)


def _opened(database: Path) -> sqlite3.Connection:
    """Open a database whose transactions begin and end where they are told to."""
    return sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)


def _changes(connection: sqlite3.Connection, old: Path, new: Path) -> Iterator[Change]:
    for column in COLUMNS:
        question = (
            f"SELECT rowid, {column.name}, {column.kept} FROM {column.table}"  # noqa: S608
            f" WHERE {column.name} IS NOT NULL AND {column.where}"
        )
        for rowid, location, kept in connection.execute(question).fetchall():
            place = path_of(location)
            if place is None or not place.is_relative_to(old):
                continue
            if new.is_relative_to(old) and place.is_relative_to(new):
                continue  # it was relocated before
            there = new / place.relative_to(old)
            written = there.as_uri() if location.startswith("file:") else there.as_posix()
            lacking = bool(kept or has_files(place)) and not has_files(there)
            yield Change(column, rowid, written, there, lacking)


def _refusal(new: Path, lacking: list[str]) -> str:
    more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
    return (
        f"NEW: {new} lacks files of these folders ({len(lacking)}):"
        f" {', '.join(lacking[:NAMED])}{more}; nothing was changed. Bring them there, or {LOST}"
    )


def _copied(database: Path) -> Path:
    """Copy a database as it is now, beside it."""
    backup = database.with_name(f"{database.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    with (
        contextlib.closing(sqlite3.connect(database)) as source,
        contextlib.closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    return backup
