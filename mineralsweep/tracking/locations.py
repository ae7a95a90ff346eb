"""Where artifacts lie on this machine, and whether they are still there.

MLflow writes down the absolute folder of each experiment, run, logged model and version. A project
that is renamed or copied keeps the old ones: files are then looked for, and written, elsewhere.
"""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mlflow.entities import Experiment
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from mineralsweep.errors import InputError
from mineralsweep.machine import typed_in
from mineralsweep.tracking.store import DEFAULT_FILE, SQLITE, Store, pages, tracking_uri

LOST = "if the files are lost for good, add --force"


def path_of(location: str) -> Path | None:
    """Return the folder of an artifact location; None where it is not on this machine (s3:)."""
    return Path(local_file_uri_to_path(location)) if is_local_uri(location) else None


def database_of(uri: str) -> Path | None:
    """Return the file of an SQLite store, None for another store."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0]) if uri.startswith(SQLITE) else None


def has_files(folder: Path) -> bool:
    """Say whether there is a file in a folder, or below."""
    return any(path.is_file() for path in folder.rglob("*"))


def found_again(location: Path, uri: str) -> tuple[Path, Path] | None:
    """Return which folder moved where: the old one, and the one here; None where nothing is found.

    What is looked for is the end of the location, the longest first, in the database's folder and
    in the user's.
    """
    database = database_of(uri)
    heres = [typed_in()] if database is None else [database.parent, typed_in()]
    parts = location.parts
    for cut in range(1, len(parts)):
        for here in heres:
            old, there = Path(*parts[:cut]), here.joinpath(*parts[cut:])
            if there.is_dir() and here != old:
                return old, here
    return None


def way_on(location: Path, uri: str | None = None) -> str:
    """Say how to go on where files are not in a folder, with the command to type.

    Args:
        location: where they were looked for.
        uri: of the tracking store; None: the user's.
    """
    uri = uri or tracking_uri()
    database = database_of(uri)
    if database is None or location.is_relative_to(database.parent):
        return "bring them back there from a backup"
    moved = found_again(location, uri)
    if moved is not None:
        old, new = moved
        return f"if the project is in {new} now: mineralsweep relocate {_quoted(old, new)}"
    old = _project_of(location)
    return (
        f"bring them back there; if they were moved: mineralsweep relocate {_quoted(old)} FOLDER,"
        f" where FOLDER is what {old} is now; {LOST}"
    )


def _quoted(*paths: Path) -> str:
    return shlex.join(map(str, paths))


def _project_of(location: Path) -> Path:
    """Return the folder that holds MLflow's `mlruns`, or what an experiment's artifacts lie in."""
    parts = location.parts
    return Path(*parts[: parts.index("mlruns")]) if "mlruns" in parts else location.parent


def check(store: Store) -> str:
    """Hold the experiment that will be written to against where its artifacts lie.

    MLflow makes a folder that is not there: without this, artifacts would go to where a project
    was before it was renamed, or into another copy of it.

    Returns:
        A warning where they lie beside another project's database; "" elsewhere.

    Raises:
        InputError: their folder was there, and is no more.
    """
    experiment = store.client.get_experiment(store.experiment_id)
    place = path_of(experiment.artifact_location)
    database = database_of(store.uri)
    if place is None or database is None or place.is_relative_to(database.parent):
        return ""
    if _is_gone(store, experiment, place):
        raise InputError(
            f"experiment '{experiment.name}': its artifacts lie in {place}, which is not there;"
            f" nothing was written. To go on: {way_on(place, store.uri)}"
        )
    other, own = _project_of(place), database.parent
    if (other / DEFAULT_FILE).exists() and (own / place.relative_to(other)).is_dir():
        return (
            f"experiment '{experiment.name}': its artifacts lie in {place}, beside another"
            f" {DEFAULT_FILE}, and {own} has a folder like it: is it a copy? To use its own files:"
            f" mineralsweep relocate {_quoted(other, own)}"
        )
    return ""


def _is_gone(store: Store, experiment: Experiment, place: Path) -> bool:
    """A folder that nothing was written to yet is made by MLflow, where its project is there."""
    if place.is_dir():
        return False
    ids = [experiment.experiment_id]
    return not _project_of(place).is_dir() or bool(store.client.search_logged_models(ids))


def examine(store: Store) -> str:
    """Check every folder of this machine that the store names, and say where artifacts go.

    Raises:
        InputError: folders that hold something are not there, or can't be written to.
    """
    wrong = [*_wrong_experiments(store), *_lacking_versions(store)]
    if wrong:
        facts, ways = zip(*wrong, strict=True)
        raise InputError("; ".join(dict.fromkeys([*facts, *ways])))
    location = store.client.get_experiment(store.experiment_id).artifact_location
    return "; ".join(filter(None, [str(path_of(location) or location), check(store)]))


def _wrong_experiments(store: Store) -> Iterator[tuple[str, str]]:
    """Give each experiment whose folder is gone, or can't be written to, with the way on."""
    for experiment in pages(store.client.search_experiments):
        place, name = path_of(experiment.artifact_location), experiment.name
        if place is None:
            continue
        if _is_gone(store, experiment, place):
            runs = len(pages(store.client.search_runs, [experiment.experiment_id]))
            if runs or name == store.experiment:
                fact = f"experiment '{name}', {runs} runs: no folder {place}"
                yield fact, way_on(place, store.uri)
        elif _barred(place):
            yield f"experiment '{name}': {place} can't be written to", "change its permissions"


def _lacking_versions(store: Store) -> Iterator[tuple[str, str]]:
    """Give each project folder in which registered versions have no files, with the way on."""
    lacking: defaultdict[Path, list[Path]] = defaultdict(list)
    for version in pages(store.client.search_model_versions):
        location = store.client.get_model_version_download_uri(version.name, version.version)
        place = path_of(location)
        if place and not has_files(place):
            lacking[_project_of(place)].append(place)
    for places in lacking.values():
        fact = f"registered versions without files: {len(places)}, looked for in {places[0]}"
        yield fact, way_on(places[0], store.uri)


def _barred(place: Path) -> bool:
    """Say whether a folder can't be written to; of one that is not there, the next one above."""
    there = next(path for path in (place, *place.parents) if path.exists())
    return not os.access(there, os.W_OK)
