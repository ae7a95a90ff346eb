"""Names of files in place of images, for a model that is asked on the machine it runs on.

A server must not do so by itself: whoever may ask it could have any of its files read.
"""

from __future__ import annotations

import os
from pathlib import Path

from mineralsweep.data.reading import content

READ_PATHS = "MINERALSWEEP_READ_PATHS"
"""The environment variable that allows it; with 1, and nothing else."""


def allowed() -> bool:
    """Say whether names of files are read."""
    return os.environ.get(READ_PATHS) == "1"


def content_of(value: str) -> bytes | None:
    """Return the bytes of the file that a text names.

    Args:
        value: a path; a relative one is taken from the working directory.

    Returns:
        At most 64 MiB; None where names of files are not read, or the text names nothing that is
        there: it may be an image in base64, which can begin as an absolute path does.

    Raises:
        UnusableImage: it is a folder or a pipe, too large, or can't be read.
    """
    if not (allowed() and value.strip()):
        return None
    path = Path(value)
    try:
        there = path.exists()
    except OSError:  # longer than a name can be, or in a folder that can't be looked into
        return None
    return content(path) if there else None
