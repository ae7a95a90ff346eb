"""What a trial needs from the driver's disk, sent by its digest, and what it brings back.

A node of a cluster has neither the driver's folders nor its cache. Files travel as parts of bytes;
whatever carries them is the executor's matter.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mineralsweep import files
from mineralsweep.core.reference import parts
from mineralsweep.core.trial import TrialSpec
from mineralsweep.models import get as get_architecture
from mineralsweep.models import weights as pretrained
from mineralsweep.models.backbones import get as get_backbone

PART = 2**26
"""Bytes that travel at a time."""
WEIGHTS = "weights"

Content = Mapping[str, bytes]
"""The files of a folder: their paths from it -> their bytes."""


@dataclass(frozen=True)
class Sent:
    """A file that is sent: once a node, whichever trials need it.

    Attributes:
        name: of the file, without its folders.
        digest: SHA-256 of its bytes.
        size: in bytes.
    """

    name: str
    digest: str
    size: int

    @property
    def place(self) -> Path:
        """Where it is kept on a node."""
        return files.folder() / "sent" / self.digest[:32] / self.name


def needed(spec: TrialSpec) -> set[Path]:
    """Return the files that a trial reads and every trial alike may read: images, weights, code.

    Raises:
        WeightsUnavailable: the weights of a pretrained network can't be had here.
    """
    found = {spec.examples.arrays}
    for one in spec.voters or (spec,):
        found |= {path for path in (_code(one), _weights(one)) if path is not None}
    return found


def moved(spec: TrialSpec, place: Callable[[Path], Path]) -> TrialSpec:
    """Return a trial that reads its files elsewhere.

    Args:
        spec: as the driver has it.
        place: where a file of `needed` lies now.
    """
    voters = tuple(_rerouted(one, place) for one in spec.voters)
    own = spec if voters else _rerouted(spec, place)
    examples = replace(spec.examples, arrays=place(spec.examples.arrays))
    return replace(own, voters=voters, examples=examples)


def _rerouted(spec: TrialSpec, place: Callable[[Path], Path]) -> TrialSpec:
    code, weights = _code(spec), _weights(spec)
    architecture, hyperparameters = spec.architecture, dict(spec.hyperparameters)
    if code is not None:
        architecture = f"{place(code)}:{parts(architecture)[1]}"
    if weights is not None:
        hyperparameters[WEIGHTS] = str(place(weights))
    return replace(spec, architecture=architecture, hyperparameters=hyperparameters)


def _code(spec: TrialSpec) -> Path | None:
    return get_architecture(spec.architecture).source


def _weights(spec: TrialSpec) -> Path | None:
    """Return the file of a pretrained network; None: there is none, or a package brings it."""
    setting = spec.hyperparameters.get(WEIGHTS)
    if setting is None:
        return None
    architecture = get_architecture(spec.architecture)
    name = str(spec.hyperparameters.get("backbone") or architecture.backbone)
    backbone = get_backbone(name)
    path = pretrained.resolve(str(setting), backbone)
    packaged = bool(backbone.package) and path == pretrained.imagenet_path(backbone)
    return None if packaged else path


def described(path: Path) -> Sent:
    """Return what a file is sent as."""
    state = path.stat()
    return _described(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4096)
def _described(path: Path, modified_ns: int, size: int) -> Sent:
    with path.open("rb") as file:
        return Sent(path.name, hashlib.file_digest(file, "sha256").hexdigest(), size)


def read(path: Path) -> Iterator[bytes]:
    """Give a file in parts."""
    with path.open("rb") as file:
        while part := file.read(PART):
            yield part


def received(sent: Sent, fetch: Callable[[], Iterator[bytes]]) -> int:
    """Put a file into this node's cache, if it is not there; return the bytes that came for it.

    Of processes that want the same one, one fetches it.

    Raises:
        OSError: the disk takes no more, or what came is not what was sent.
    """
    if sent.place.is_file():
        return 0
    with files.exclusive(sent.place.parent.with_suffix(".lock"), wait=True):
        if sent.place.is_file():
            return 0
        files.write_atomically(sent.place, lambda path: _write(path, fetch()))
        if described(sent.place).digest != sent.digest:
            sent.place.unlink()
            raise OSError(f"{sent.name}: what came is not what was sent")
    return sent.size


def _write(path: Path, content: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        for part in content:
            file.write(part)


def packed(folder: Path | None, unless: Mapping[str, int] | None = None) -> Content:
    """Return the files of a folder; none where there is none.

    Args:
        folder: with all below it.
        unless: files that were sent before -> when they had been changed, in nanoseconds.
    """
    if folder is None or not folder.is_dir():
        return {}
    known = unless or {}
    return {
        name: path.read_bytes()
        for name, path in _listed(folder)
        if known.get(name) != path.stat().st_mtime_ns
    }


def times(folder: Path | None) -> dict[str, int]:
    """Return the files of a folder, and when they were changed, in nanoseconds."""
    if folder is None or not folder.is_dir():
        return {}
    return {name: path.stat().st_mtime_ns for name, path in _listed(folder)}


def _listed(folder: Path) -> Sequence[tuple[str, Path]]:
    return [
        (path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]


def unpacked(content: Content, folder: Path) -> None:
    """Write files into a folder; each is there whole or not at all.

    Raises:
        OSError: the disk takes no more.
    """
    for name, data in content.items():
        files.write_atomically(folder / name, functools.partial(_put, data=data))


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def cleared(folder: Path) -> Path:
    """Return a folder without anything in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
