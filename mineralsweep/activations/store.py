"""Arrays on disk by key: built once, checked when opened, the longest unused removed first."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from mineralsweep import files
from mineralsweep.errors import ConfigError

Activations = NDArray[Any]
"""bfloat16 or float32, memory-mapped, read-only."""
Key = Mapping[str, str | int | float]
Shape = tuple[int, ...]

DTYPE = np.dtype(ml_dtypes.bfloat16)
DATA, ENTRY = "activations.bin", "entry.json"
CAP_VARIABLE = "MINERALSWEEP_ACTIVATIONS_GIB"
DEFAULT_CAP = 20.0
SPARE_DISK = 2**30
"""Bytes that the store leaves free on its disk."""
CHUNK = 2**24


class NoRoom(Exception):
    """The activations don't fit under the cap or on the disk; the message says which."""


def folder() -> Path:
    """Return the store's folder; see `files.folder`."""
    return files.folder() / "activations"


def cap() -> int:
    """Return the most bytes that the store keeps: MINERALSWEEP_ACTIVATIONS_GIB, else 20 GiB.

    Raises:
        ConfigError: the variable holds no number from 0 up.
    """
    text = os.environ.get(CAP_VARIABLE, str(DEFAULT_CAP))
    try:
        gib = float(text)
    except ValueError:
        gib = math.nan
    if not 0 <= gib < math.inf:
        raise ConfigError(f"{CAP_VARIABLE}: must be a number of GiB from 0 up, got '{text}'")
    return int(gib * 2**30)


@dataclass(frozen=True)
class Request:
    """An array that is wanted.

    Attributes:
        key: all that decides the content.
        shape: of the array.
        build: fills a writable array of that shape.
        dtype: of the array: DTYPE, or float32.
        name: what a listing of the store calls it.
    """

    key: Key
    shape: Shape
    build: Callable[[Activations], None]
    dtype: np.dtype[Any] = DTYPE
    name: str = "unnamed"

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return math.prod(self.shape) * int(self.dtype.itemsize)

    @property
    def place(self) -> Path:
        """The folder of the entry."""
        text = json.dumps(dict(self.key), sort_keys=True)
        return folder() / hashlib.sha256(text.encode()).hexdigest()[:32]


def ensure(requests: Sequence[Request]) -> list[Activations]:
    """Return the arrays, in order, building those that are not there or are damaged.

    Where several processes want the same ones, each is built once: a process passes over what
    another one builds, and waits for it at the end.

    Raises:
        NoRoom: one is larger than the cap or than the disk has room for.
        OSError: one can't be written.
    """
    busy = [one for one in requests if not _ensure(one, wait=False)]
    for one in busy:
        _ensure(one, wait=True)
    return [_opened(one) for one in requests]


def ensure_together(
    requests: Sequence[Request],
    build: Callable[[Mapping[int, Activations]], None],
    wait: bool = True,
) -> list[Activations] | None:
    """Return the arrays, in order, building those that are not there or are damaged in one go.

    Args:
        requests: each also builds its own alone, should it be evicted at once.
        build: fills writable arrays; they are those of the requests at these places.
        wait: for a process that builds some of them; without, the answer is None.

    Raises:
        NoRoom: they are larger than the cap or than the disk has room for.
        OSError: one can't be written.
    """
    if all(_open(one) is not None for one in requests):
        return [_opened(one) for one in requests]
    with ExitStack() as locks:
        for one in sorted(requests, key=lambda one: one.place):  # one order: nobody waits in vain
            try:
                locks.enter_context(files.exclusive(one.place.with_suffix(".lock"), wait))
            except files.Taken:
                return None
        missing = {place: one for place, one in enumerate(requests) if _open(one) is None}
        if missing:
            _check_room(sum(one.size for one in missing.values()))
            with ExitStack() as written:
                build({p: written.enter_context(_written(one)) for p, one in missing.items()})
            _evict({one.place for one in requests})
    return [_opened(one) for one in requests]


def _ensure(request: Request, wait: bool) -> bool:
    """Build what is not there; False where another process does, and we don't wait."""
    if _open(request) is not None:
        return True
    try:
        with files.exclusive(request.place.with_suffix(".lock"), wait):
            if _open(request) is None:  # another process may have built it meanwhile
                _check_room(request.size)
                with _written(request) as target:
                    request.build(target)
                _evict({request.place})
    except files.Taken:
        return False
    return True


def _opened(request: Request) -> Activations:
    found = _open(request)
    if found is None and _ensure(request, wait=True):  # evicted since: the cap is tight
        found = _open(request)
    if found is None:
        raise OSError(f"{request.place}: written, and damaged when read; is the disk sound?")
    return found


def _open(request: Request) -> Activations | None:
    """Open a whole entry and mark it as used; None where it is not there or damaged."""
    place, shape = request.place, request.shape
    try:
        entry = json.loads((place / ENTRY).read_text(encoding="utf-8"))
        data = place / DATA
        state = data.stat()
        if tuple(entry["shape"]) != shape:
            return None
        if _checksum(data, state.st_mtime_ns, state.st_size) != entry["crc32"]:
            return None
        os.utime(place / ENTRY)
        if entry["dtype"] != request.dtype.name:
            return None
        found: Activations = _mapped(data, request, "r")
    except (OSError, ValueError, KeyError):
        return None
    return found


def _mapped(data: Path, request: Request, mode: Literal["r", "r+"]) -> Any:
    """Map a file as its array; NumPy maps no bfloat16, only numbers of the same size."""
    raw = np.dtype(f"u{request.dtype.itemsize}")
    return np.memmap(data, raw, mode=mode, shape=request.shape).view(request.dtype)


@functools.lru_cache(maxsize=1024)
def _checksum(data: Path, modified_ns: int, size: int) -> int:
    """Read the whole file once a process, and again when it has changed."""
    found = 0
    with data.open("rb") as file:
        while chunk := file.read(CHUNK):
            found = zlib.crc32(chunk, found)
    return found


def _check_room(size: int) -> None:
    if size > cap():
        raise NoRoom(
            f"{size / 2**30:.1f} GiB of activations are more than {CAP_VARIABLE} allows"
            f" ({cap() / 2**30:g})"
        )
    free = shutil.disk_usage(folder()).free
    if size + SPARE_DISK > free:
        raise NoRoom(
            f"{size / 2**30:.1f} GiB of activations don't fit on the disk of {folder()}"
            f" ({free / 2**30:.1f} GiB free)"
        )


@contextmanager
def _written(request: Request) -> Iterator[Activations]:
    """Give an array to fill, whose lock is held; without an error it is the entry from then on.

    It is filled in its place, and ENTRY, which makes it an entry, is written last: Windows renames
    no folder with a file that is mapped.
    """
    place = request.place
    shutil.rmtree(place, ignore_errors=True)  # damaged, or left by a process that was killed
    place.mkdir(exist_ok=True)
    try:
        data = place / DATA
        files.reserve(data, request.size)
        target = _mapped(data, request, "r+")
        yield target
        target.base.flush()
        state = data.stat()
        entry = {
            "key": dict(request.key),
            "name": request.name,
            "shape": list(request.shape),
            "dtype": request.dtype.name,
            "crc32": _checksum(data, state.st_mtime_ns, state.st_size),
        }
        text = json.dumps(entry)
        files.write_atomically(place / ENTRY, lambda path: path.write_text(text, encoding="utf-8"))
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


@dataclass(frozen=True)
class StoredActivations:
    """One entry of the store. `used` is when it was last opened, in seconds since 1970."""

    place: Path
    key: Key
    name: str
    size: int
    used: float


def stored() -> list[StoredActivations]:
    """Return the entries, the longest unused first."""
    found = []
    for entry in folder().glob(f"[0-9a-f]*/{ENTRY}"):
        with suppress(OSError, ValueError, KeyError):
            own, used = json.loads(entry.read_text(encoding="utf-8")), entry.stat().st_mtime
            size = (entry.parent / DATA).stat().st_size
            name = str(own.get("name", "unnamed"))
            found.append(StoredActivations(entry.parent, own["key"], name, size, used))
    return sorted(found, key=lambda one: one.used)


def _evict(keep: Collection[Path]) -> None:
    """Remove the longest unused, but for some, until the rest fits under the cap.

    A process that has a removed one open keeps what it has.
    """
    entries = stored()
    excess = sum(one.size for one in entries) - cap()
    for one in entries:
        if excess <= 0:
            return
        if one.place not in keep:
            shutil.rmtree(one.place, ignore_errors=True)
            excess -= one.size


def clear() -> None:
    """Remove every entry."""
    shutil.rmtree(folder(), ignore_errors=True)
