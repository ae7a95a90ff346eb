"""Files to be classified: folders, patterns, tables and single files, in any mix."""

from __future__ import annotations

import fnmatch
import glob
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mineralsweep.data.listing import Rejected, shown
from mineralsweep.data.sources import folder, table
from mineralsweep.errors import DataError

ANY_DEPTH = "**"
Origin = Literal["file", "table", "folder"]


@dataclass(frozen=True)
class Unlabelled:
    """One file, without a class.

    Attributes:
        name: its path as text in one line: from the collection's root, where it lies below it.
        origin: the user named this very file, a row of a table did, or it lies in a folder: there
            some are no photographs, and missed by nobody.
        reason: why it can't be used, as far as the source knows; "": it may be.
    """

    path: Path
    name: str
    origin: Origin
    reason: str = ""


@dataclass(frozen=True)
class Collection:
    """What is to be classified, each file once, in the order of the arguments.

    Attributes:
        root: the folder that the files' names are told from: the one folder, or the folder of the
            one table, that was given; else the working directory.
        folders: those of which every file is asked.
        passed_over: folders that are no part of it, and why.
    """

    root: Path
    files: tuple[Unlabelled, ...]
    folders: tuple[Path, ...] = ()
    passed_over: tuple[Rejected, ...] = ()


def collect(arguments: Sequence[str], column: str | None = None) -> Collection:
    """List what is to be classified.

    In folders hidden and other programs' files are passed over, as in a collection to train with.

    Args:
        arguments: folders, tables, files, or patterns such as photos/**/*.jpg.
        column: that names the files in tables; None: the one called file.

    Raises:
        DataError: a folder or a table can't be read, or a pattern matches nothing.
    """
    walk = _Walk(column)
    for argument in arguments:
        walk.add(argument)
    root = walk.roots[0] if len(arguments) == len(walk.roots) == 1 else Path.cwd()
    files: dict[Path, Unlabelled] = {}
    for one, origin in walk.found:
        unlabelled = Unlabelled(one.path, _name(one.path, root), origin, one.reason)
        place = _absolute(one.path)
        if place not in files or origin == "file":
            files[place] = unlabelled
    return Collection(_absolute(root), tuple(files.values()), tuple(walk.folders), tuple(walk.over))


def _absolute(path: Path) -> Path:
    """Return a path without "..", links in it left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links


def _name(path: Path, root: Path) -> str:
    return "".join(map(_in_line, shown(path, root)))


def _in_line(sign: str) -> str:
    """Return a sign as it can stand in a line; a line end or another control sign as \\n, \\x1b."""
    controls = unicodedata.category(sign) in ("Cc", "Zl", "Zp")
    return sign.encode("unicode_escape").decode("ascii") if controls else sign


class _Walk:
    """Goes through the arguments.

    `roots`: of the arguments that are one folder or one table.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self.found: list[tuple[Rejected, Origin]] = []
        self.folders: list[Path] = []
        self.over: list[Rejected] = []
        self.roots: list[Path] = []

    def add(self, argument: str) -> None:
        path = Path(argument)
        is_there = _exists(path)
        if not is_there and glob.has_magic(argument):
            self._add_pattern(argument)
        elif path.suffix.lower() in table.ENDINGS and not (is_there and path.is_dir()):
            self.roots.append(path.parent)
            for row in table.named_in(path, self._column):
                self._add(row, "table")
        elif is_there and path.is_dir():
            self.roots.append(path)
            self._add_folder(path)
        else:
            self._add(path, "file")

    def _add(self, found: Path | Rejected, origin: Origin) -> None:
        one = found if isinstance(found, Rejected) else Rejected(found, "")
        self.found.append((one, origin))

    def _add_folder(self, path: Path, below: Sequence[str] = (ANY_DEPTH,)) -> None:
        """Add the files below a folder whose paths, from there, match a pattern's parts."""
        listing = folder.below(path)
        self.folders.append(path)
        self.over += listing.folders
        for file in listing.files:
            if _matches(file.path.relative_to(path).parts, below):
                self._add(file.path, "folder")
        for lost in listing.rejected:
            self._add(lost, "folder")

    def _add_pattern(self, pattern: str) -> None:
        parts = Path(pattern).parts
        deep = parts.index(ANY_DEPTH) if ANY_DEPTH in parts else len(parts)
        before = len(self.found)
        for path in sorted(map(Path, glob.glob(str(Path(*parts[:deep]))))):  # noqa: PTH207
            if path.is_dir():
                self._add_folder(path, (ANY_DEPTH, *parts[deep + 1 :]))
            elif deep == len(parts):
                self._add(path, "folder")
        if len(self.found) == before:
            raise DataError(f"{pattern}: no such file, and as a pattern it matches none")


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not names
    if pattern[0] == ANY_DEPTH:
        return _matches(names, pattern[1:]) or bool(names and _matches(names[1:], pattern))
    return bool(
        names and fnmatch.fnmatch(names[0], pattern[0]) and _matches(names[1:], pattern[1:])
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False
