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
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
from mlflow.store.artifact.utils.models import get_model_name_and_version

import mineralsweep
from mineralsweep.errors import InputError
from mineralsweep.registry.versions import CHAMPION_URI, DIGEST, FILES, option_for
from mineralsweep.tracking.locations import has_files, path_of, way_on

ADDED_BY_MLFLOW = frozenset({"registered_model_meta"})
"""Written beside a model's files when they are downloaded by a registered name."""

PACKAGE = Path(mineralsweep.__file__).parent


def load_classifier(uri: str = CHAMPION_URI) -> Any:
    """Load a registered or logged model as MLflow's pyfunc, if it is what was registered.

    Raises:
        InputError: there is no such model in the tracking store, its files are not there, or they
            are other ones.
    """
    with fetched(uri) as folder:
        return open_folder(folder)


def verify(uri: str = CHAMPION_URI) -> str:
    """Check that a registered model's files are those that were registered; nothing is loaded.

    Returns:
        What was found, in a sentence.

    Raises:
        InputError: there is no such model in the tracking store, its files are not there, or they
            are other ones.
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
        InputError: there is no such model in the tracking store, its files are not there, or they
            are other ones.
    """
    with contextlib.ExitStack() as stack:
        with reachable(uri):
            version = _settled(uri)
            folder = stack.enter_context(downloaded(version))
            _compare(version, folder)
        yield folder


@contextlib.contextmanager
def downloaded(uri: str) -> Iterator[Path]:
    """Give a copy of a model's files that is removed afterwards.

    Raises:
        InputError: where they were kept, there are none.
    """
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        place = _place(uri)
        if place is not None and not has_files(place):
            raise _absent(uri, place, "the folder is empty" if place.is_dir() else "no such folder")
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))
        if not _files(folder):  # MLflow's server answers so where its files are gone
            raise _absent(uri, place, "there are none")
        yield folder


def _place(uri: str) -> Path | None:
    """Return the folder of this machine that keeps a model's files; None where they lie elsewhere.

    Raises:
        MlflowException: there is no such model.
    """
    if ModelsArtifactRepository.is_models_uri(uri):
        return path_of(ModelsArtifactRepository.get_underlying_uri(uri))
    return path_of(uri)


def _absent(uri: str, place: Path | None, what: str) -> InputError:
    """Return an error that says where files were looked for in vain, and how to go on."""
    if place is None:
        where, way = "the artifact store", "bring them back from a copy of it"
    else:
        where, way = str(place), way_on(place)
    return InputError(
        f"model: {uri}: its files are not in {where} ({what}); {way}; or name another model:"
        " --model URI"
    )


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
    for path in _files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


def _files(folder: Path) -> list[Path]:
    """Return a model's files, sorted, without what MLflow adds to a copy."""
    return sorted(
        path for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).as_posix() not in ADDED_BY_MLFLOW
    )  # fmt: skip


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the tags that a version's files are compared with later: their digest and number."""
    return {DIGEST: digest_of_folder(folder), FILES: str(len(_files(folder)))}


@contextlib.contextmanager
def reachable(uri: str) -> Iterator[None]:
    """Turn the store's errors into one that the user can mend."""
    try:
        yield
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"model: {uri} can't be loaded: {reason}; {_instead_of(uri)}, or name another model"
        ) from error


def settled(uri: str) -> str:
    """Return a model's URI with the version's number, which stays the same model.

    Raises:
        InputError: there is no such model in the tracking store.
    """
    with reachable(uri):
        return _settled(uri)


def _instead_of(uri: str) -> str:
    """Say what to do where a model can't be found: promote the newest version, or make one."""
    name = uri.removeprefix("models:/").partition("@")[0]
    with contextlib.suppress(MlflowException):
        versions = mlflow.MlflowClient().search_model_versions(f"name = '{name}'")
        if versions and "@" in uri:
            newest = max(int(one.version) for one in versions)
            champion = f"mineralsweep promote {newest}{option_for(name)}"
            return f"to make version {newest} champion: {champion}"
    return "make a champion with mineralsweep sweep quick"


def _settled(uri: str) -> str:
    """Return an address with a version's number for one with an alias, a stage or "latest".

    These may move between two looks: what is compared must be what was fetched.
    """
    if not uri.startswith("models:/"):
        return uri
    name, *number = get_model_name_and_version(mlflow.MlflowClient(), uri)
    return f"models:/{name}/{number[0]}" if number else uri


def _compare(uri: str, folder: Path) -> str | None:
    """Return the digest recorded at registration, None without one.

    Raises:
        InputError: the files lack some of those registered, or are other ones.
    """
    tags = _recorded(uri)
    expected = tags.get(DIGEST)
    if expected is None or digest_of_folder(folder) == expected:
        return expected
    there, registered = len(_files(folder)), int(tags.get(FILES, 0))
    place = _place(uri)
    if there < registered:
        raise _absent(uri, place, f"{there} of {registered} are there")
    if not (folder / "MLmodel").exists():
        raise _absent(uri, place, "MLmodel is lacking")
    maybe = "" if registered else ", or some are lacking"  # a version of an earlier release
    raise InputError(
        f"model: {uri}: its files in {place or 'the artifact store'} are not those that were"
        f" registered: they were changed or damaged{maybe}; nothing of them was run. Bring them"
        " back from a backup, or name another model: --model URI"
    )


def _recorded(uri: str) -> dict[str, str]:
    """Return the tags of a registered version; none for other URIs."""
    name, _, number = uri.removeprefix("models:/").partition("/")
    if not uri.startswith("models:/") or not number.isdecimal():
        return {}
    return dict(mlflow.MlflowClient().get_model_version(name, number).tags)
