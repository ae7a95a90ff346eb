"""A file of a collection -> its bytes, where it is one that can be read."""

from __future__ import annotations

from pathlib import Path

from mineralsweep.data.decode import MAX_BYTES, too_large
from mineralsweep.data.formats import HEAD
from mineralsweep.errors import UnusableImage


def content(path: Path) -> bytes:
    """Return the bytes of a regular file of at most 64 MiB; whether it is an image isn't looked at.

    Raises:
        UnusableImage: it is not there, no regular file, too large, or can't be read.
    """
    try:
        if not path.is_file():  # reading a pipe or a device would wait for ever
            raise UnusableImage(_no_file(path))
        size = path.stat().st_size
        with path.open("rb") as file:
            if size > MAX_BYTES:
                raise too_large(file.read(HEAD), size)
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnusableImage(f"can't be read: {error.strerror or error}") from None


def _no_file(path: Path) -> str:
    if path.exists():
        return "not a regular file"
    return "a link to nothing" if path.is_symlink() else "no such file"
