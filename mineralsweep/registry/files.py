"""A registered model's files: fetched, compared with what was registered, loaded."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import get_model_name_and_version

import mineralsweep
from mineralsweep.errors import InputError
from mineralsweep.registry.versions import CHAMPION_URI, DIGEST

ADDED_BY_MLFLOW = frozenset({"registered_model_meta"})
"""Written beside a model's files when they are downloaded by a registered name."""

PACKAGE = Path(mineralsweep.__file__).parent


def load_classifier(uri: str = CHAMPION_URI) -> Any:
    """Load a registered or logged model as MLflow's pyfunc, if it is what was registered.

    Raises:
        InputError: there is no such model in the tracking store, or its files are other ones.
    """
    with fetched(uri) as folder:
        return open_folder(folder)


def verify(uri: str = CHAMPION_URI) -> str:
    """Check that a registered model's files are those that were registered; nothing is loaded.

    Returns:
        What was found, in a sentence.

    Raises:
        InputError: there is no such model in the tracking store, or its files are other ones.
    """
    with reachable(uri):
        version = _settled(uri)
        with downloaded(version) as folder:
            expected = _compare(version, folder)
    if expected is None:
        return f"{uri}: no digest was recorded for it; nothing to compare"
    return f"{uri}: its files are those that were registered (SHA-256 {expected[:16]}...)"


@contextlib.contextmanager
def fetched(uri: str) -> Iterator[Path]:
    """Give a copy of a model's files, compared with those registered; removed afterwards.

    Raises:
        InputError: there is no such model in the tracking store, or its files are other ones.
    """
    with contextlib.ExitStack() as stack:
        with reachable(uri):
            version = _settled(uri)
            folder = stack.enter_context(downloaded(version))
            _compare(version, folder)
        yield folder


@contextlib.contextmanager
def downloaded(uri: str) -> Iterator[Path]:
    """Give a copy of a model's files that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        yield Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))


def open_folder(folder: Path) -> Any:
    """Load a model's files as MLflow's pyfunc; the code that answers is the one that they carry.

    Raises:
        InputError: as its code says: it holds what no model of the package does.
        MlflowException: its code can't be run with the libraries of this machine.
    """
    path = list(sys.path)
    try:
        with _own_code(folder / "code" / PACKAGE.name):
            return mlflow.pyfunc.load_model(str(folder))
    finally:
        sys.path[:] = path  # MLflow leaves the folder in it, which will be gone


@contextlib.contextmanager
def _own_code(package: Path) -> Iterator[None]:
    """Let a model of another release import the package that it carries instead of this one."""
    if all(_is_ours(package, file) for file in package.rglob("*.py")):
        yield
        return
    ours = _take_modules()
    try:
        yield
    except Exception as error:
        if type(error).__module__ == "mineralsweep.errors":  # the other release's
            raise InputError(str(error)) from error
        raise
    finally:
        _take_modules()
        sys.modules.update(ours)


def _is_ours(package: Path, file: Path) -> bool:
    mine = PACKAGE / file.relative_to(package)
    return mine.is_file() and mine.read_bytes() == file.read_bytes()


def _take_modules() -> dict[str, ModuleType]:
    """Take this package out of the modules that are loaded."""
    names = [name for name in sys.modules if name.partition(".")[0] == PACKAGE.name]
    return {name: sys.modules.pop(name) for name in names}


def digest_of_folder(folder: Path) -> str:
    """Return SHA-256, in hexadecimal, over the names and the contents of a model's files.

    Compiled code counts too: Python runs a `.pyc` in place of the source beside it. Loading a
    model may write some, so take the digest before anything of the folder is loaded.

    Raises:
        OSError: a file can't be read.
    """
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in ADDED_BY_MLFLOW:
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{name}\0{content}\n".encode())
    return whole.hexdigest()


@contextlib.contextmanager
def reachable(uri: str) -> Iterator[None]:
    """Turn the store's errors into one that the user can mend."""
    try:
        yield
    except (MlflowException, OSError) as error:
        raise InputError(
            f"model: {uri} can't be loaded: {str(error).splitlines()[0]}; make a champion with"
            " mineralsweep sweep sweeps/quick.yaml, or name another model"
        ) from error


def settled(uri: str) -> str:
    """Return a model's URI with the version's number, which stays the same model.

    Raises:
        InputError: there is no such model in the tracking store.
    """
    with reachable(uri):
        return _settled(uri)


def _settled(uri: str) -> str:
    """Return an address with a version's number for one with an alias, a stage or "latest".

    These may move between two looks: what is compared must be what was fetched.
    """
    if not uri.startswith("models:/"):
        return uri
    name, *number = get_model_name_and_version(mlflow.MlflowClient(), uri)
    return f"models:/{name}/{number[0]}" if number else uri


def _compare(uri: str, folder: Path) -> str | None:
    """Return the digest recorded at registration, None without one."""
    expected = _recorded(uri)
    if expected is not None and digest_of_folder(folder) != expected:
        raise InputError(
            f"model: {uri}: its files are not those that were registered: they were changed or"
            " damaged in the artifact store; nothing of them was run. Register a model anew, or"
            " name another: --model URI"
        )
    return expected


def _recorded(uri: str) -> str | None:
    """Return the digest of a registered version; other URIs name none."""
    name, _, number = uri.removeprefix("models:/").partition("/")
    if not uri.startswith("models:/") or not number.isdecimal():
        return None
    recorded = mlflow.MlflowClient().get_model_version(name, number).tags.get(DIGEST)
    return None if recorded is None else str(recorded)
