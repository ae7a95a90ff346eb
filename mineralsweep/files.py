"""Where derived files live, and how they are written so that no reader sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

OWNER_TRIES = 20
MOVE_TRIES = 40 if os.name == "nt" else 1
RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
"""Names that no file or folder can have on Windows, with any ending or none."""


class Taken(Exception):
    """A lock is another process's.

    Attributes:
        owner: that process's number, "unknown" where it can't be read.
    """

    def __init__(self, owner: str) -> None:
        super().__init__(f"held by process {owner}")
        self.owner = owner


def folder() -> Path:
    """Return the cache folder: MINERALSWEEP_CACHE, else mineralsweep under the user's cache."""
    chosen = os.environ.get("MINERALSWEEP_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mineralsweep"


def is_reserved(name: str) -> bool:
    """Say whether Windows keeps the name of a file or folder for a device, such as "aux"."""
    return name.partition(".")[0].strip().lower() in RESERVED


def size(path: Path) -> int:
    """Return the bytes in a file, or in all files under a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@contextlib.contextmanager
def one_at_a_time(key: str) -> Iterator[None]:
    """Wait until no other process of this user is within, for the same key; dies with its owner."""
    path = folder() / "locks" / hashlib.sha256(key.encode()).hexdigest()[:32]
    with exclusive(path, wait=True):
        yield


@contextlib.contextmanager
def exclusive(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a file while the block lasts; it ends with its process, however that ends.

    Args:
        path: the lock's own file; made if need be, and left there.
        wait: for a process that has it, instead of giving up at once.

    Raises:
        Taken: another process, or another thread, has it.
        OSError: the file can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = path.with_name(f"{path.name}.owner")
    try:
        lock = FileLock(path, timeout=-1 if wait else 0)
        lock.acquire()
    except Timeout:
        raise Taken(_read_owner(owner)) from None
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            owner.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows: somebody is reading it
            owner.unlink(missing_ok=True)
        lock.release()


def _read_owner(path: Path) -> str:
    """Return the number of the process that has a lock; it may be writing it just now."""
    for _ in range(OWNER_TRIES):
        with contextlib.suppress(OSError):
            owner = path.read_text(encoding="utf-8").strip()
            if owner:
                return owner
        time.sleep(0.05)
    return "unknown"


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
        move(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Give a file or a folder another name on the same disk; a file of that name is replaced.

    Windows refuses this while somebody has the file, or one in the folder, open: there it is tried
    again for two seconds, which is longer than a reader of ours takes.

    Raises:
        OSError: it can't be done.
    """
    for left in reversed(range(MOVE_TRIES)):
        try:
            source.replace(target)
            return
        except PermissionError:
            if not left:
                raise
            time.sleep(0.05)


def reserve(path: Path, size: int) -> None:
    """Make a file of zeros, `size` bytes, that really has its place on the disk.

    A file that is only mapped takes its place as it is written to, and a full disk then ends the
    process with a bus error instead of an exception.

    Raises:
        OSError: the disk has no room.
    """
    with path.open("wb") as file:
        allocate = getattr(os, "posix_fallocate", None)  # neither on Windows nor on macOS
        if allocate is not None:
            allocate(file.fileno(), 0, size)
            return
        zeros = bytes(min(size, 2**20))
        for start in range(0, size, 2**20):
            file.write(zeros[: size - start])
