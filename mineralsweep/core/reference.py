"""The name of a network outside of the package: `my_nets.py:build` or `package.module:build`."""

from __future__ import annotations

import os
from pathlib import Path


def is_reference(name: str) -> bool:
    """Say whether a name stands for a network of the user's own."""
    return ":" in name


def parts(name: str) -> tuple[str, str]:
    """Return the file or module of a reference, and what is named in it."""
    place, _, attribute = name.rpartition(":")
    return place, attribute


def absolute(name: str) -> str:
    """Return a name that means the same in every process: a file's path is absolute."""
    place, attribute = parts(name)
    if not place.endswith(".py"):
        return name
    return f"{os.path.abspath(Path(place).expanduser())}:{attribute}"  # noqa: PTH100 (keeps links)


def readable(name: str) -> str:
    """Return a name as records have it: a file in the working folder by its path from there."""
    place, attribute = parts(absolute(name))
    path = Path(place)
    if place.endswith(".py") and path.is_relative_to(Path.cwd()):
        return f"{path.relative_to(Path.cwd()).as_posix()}:{attribute}"
    return f"{place}:{attribute}" if place else name
