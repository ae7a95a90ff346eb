"""Where derived files live, and how they are written so that no reader sees half of one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


def folder() -> Path:
    """Return the cache folder: MINERALSWEEP_CACHE, else mineralsweep under the user's cache."""
    chosen = os.environ.get("MINERALSWEEP_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mineralsweep"


def size(path: Path) -> int:
    """Return the bytes in a file, or in all files under a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@contextlib.contextmanager
def one_at_a_time(key: str) -> Iterator[None]:
    """Wait until no other process of this user is within, for the same key; dies with its owner."""
    path = folder() / "locks" / hashlib.sha256(key.encode()).hexdigest()[:32]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary sibling of `path`, then rename it to `path`.

    Two processes may do so at once: each writes its own file, and the last rename wins.

    Raises:
        OSError: from `write` or the file system; the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """Make a file of zeros, `size` bytes, that really has its place on the disk.

    A file that is only mapped takes its place as it is written to, and a full disk then ends the
    process with a bus error instead of an exception.

    Raises:
        OSError: the disk has no room.
    """
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        zeros = bytes(min(size, 2**20))
        for start in range(0, size, 2**20):
            file.write(zeros[: size - start])
