"""A folder a class, or ready-made train, validation and test folders that hold them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mineralsweep.data.listing import Listed, Listing, Part, Rejected, part_of, readable
from mineralsweep.errors import DataError

NO_CLASSES = {
    "mlruns": "MLflow's own", "mlartifacts": "MLflow's own", "__macosx": "macOS' own",
    "__pycache__": "Python's own", "@eadir": "a NAS's own", "lost+found": "the file system's own",
    "$recycle.bin": "Windows' own", "system volume information": "Windows' own",
}  # fmt: skip
"""Folders that are no class, in small letters, and whose they are."""
LOOSE = "not in a class folder; put it into one"
BESIDE = "beside the class folders of a split, and in none of them"
LEVELS = 3
"""How deep below the root the class folders are looked for, to name them in an error."""
FOLDERS_LOOKED_AT = 500


def listing(root: Path) -> Listing:
    """List the files under `root`, one sub-folder a class.

    Where `root` holds a folder named train and one named val (valid, validation, dev) or test, and
    these hold the class folders, it is divided already: each file has its part. Links to folders
    outside `root` are followed, once; hidden, empty and other programs' folders are passed over.

    Raises:
        DataError: `root` is no folder, can't be read, or has no sub-folder.
    """
    if not root.exists():
        raise DataError(f"{root}: no such folder; give a folder with one sub-folder a class")
    parts = _ready_made(root)
    tops = [folder for _, folder in parts] or _folders(root)
    walk = _Walk(root, tops)
    if not parts:
        _refuse_unnamed_parts(root)
        files = list(walk.classes(root, ""))
        _check(root, files, walk)
        divided = _class_first(root, files, walk)
        return walk.listing(divided, "folders") if divided else walk.listing(files)
    files = [file for part, folder in parts for file in walk.classes(folder, part)]
    for path in _folders(root):
        if path not in tops:
            count = sum(len(names) for _, _, names in os.walk(path))
            walk.pass_over(
                path, f"beside the folders of a split, and none of them; {count} files in it"
            )
    walk.loose += _files(root)
    return walk.listing(files, "folders")


def below(root: Path) -> Listing:
    """List every file below a folder, without classes; what is passed over is as of `listing`.

    Raises:
        DataError: `root` is no folder, or can't be read.
    """
    walk = _Walk(root, _folders(root))
    return walk.listing([Listed(file, "") for file in walk.files(root)])


def _class_first(root: Path, files: list[Listed], walk: _Walk) -> list[Listed]:
    """Return the files with their parts, where each class folder holds those of a split.

    Files beside those folders are loose ones.

    Raises:
        DataError: some classes are divided, and others are not.
    """
    divided, beside, held = [], [], {file.label: set[str]() for file in files}
    for file in files:
        _, *inner = Path(file.group).parts or ("",)
        part = part_of(inner[0]) if inner else None
        if part is None:
            beside.append(file.path)
            continue
        held[file.label].add(part)
        group = Path(file.label, *inner[1:]).as_posix() if inner[1:] else ""
        divided.append(replace(file, part=part, group=group))
    split = sorted(label for label, parts in held.items() if "train" in parts and len(parts) > 1)
    whole = sorted(held.keys() - set(split))
    if split and whole:
        raise DataError(
            f"{root}: some classes are divided into train and other parts ({', '.join(split)}), and"
            f" others are not ({', '.join(whole)}): divide every class, or none"
        )
    if not split:
        return []
    walk.loose += beside
    return divided


def _refuse_unnamed_parts(root: Path) -> None:
    """Refuse folders that hold the same folders each: those are the classes.

    Raises:
        DataError: so it is, and their names don't say which part of a split they are.
    """
    held = {path: {one.name for one in _folders(path)} for path in _folders(root)}
    held = {path: names for path, names in held.items() if len(names) > 1 and not _whose(path)}
    if len(held) < 2 or len(held) < len([one for one in _folders(root) if not _whose(one)]):
        return
    common = set.intersection(*held.values())
    if 2 * len(common) <= max(map(len, held.values())) or any(map(_files, held)):
        return
    if all(part_of(name) for name in common):
        return  # a split within each class
    named = " and ".join(f"{path.name}/" for path in sorted(held))
    raise DataError(
        f"{root}: {named} hold the same folders ({', '.join(sorted(common))}), which seem to be the"
        " classes. If they are parts of a split, name them train, val and test; one of them must be"
        " train. Else put the images of each class into one folder, or give a table with groups"
    )


def deeper(root: Path) -> Path | None:
    """Return a folder below `root` that has the look of a folder of class folders."""
    level, seen = [root], 0
    for _ in range(LEVELS):
        level = [path for one in level for path in _folders(one) if not _whose(path)]
        for path in level[:FOLDERS_LOOKED_AT]:
            if _ready_made(path) or sum(bool(_files(one)) for one in _folders(path)) > 1:
                return path
        seen += len(level)
        if seen > FOLDERS_LOOKED_AT:
            break
    return None


def _check(root: Path, files: list[Listed], walk: _Walk) -> None:
    if files or walk.rejected:
        return
    loose = len(_files(root))
    held = f"has {loose} files and no class folders" if loose else "has no sub-folders with files"
    raise DataError(
        f"{root}: {held}; put the images of each class into a folder of its own, or give a table"
        " that says what each file shows (--data labels.csv)"
    )


def _ready_made(root: Path) -> list[tuple[Part, Path]]:
    """Return the parts that a collection is divided into already; none where it is not."""
    try:
        folders = _folders(root)
    except DataError:
        return []
    found = [(part_of(path.name), path) for path in folders]
    parts = [(part, path) for part, path in found if part is not None]
    named = {part for part, _ in parts}
    if "train" not in named or len(named) < 2:
        return []
    trains = [path for part, path in parts if part == "train"]
    return parts if all(_holds_classes(path) for path in trains) else []  # classes of these names


def _holds_classes(path: Path) -> bool:
    """Say whether a folder holds class folders; files beside several of them are no hindrance."""
    inner = [one for one in _folders(path) if not _whose(one)]
    return len(inner) > 1 or bool(inner and not _files(path))


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(root.iterdir())
    except NotADirectoryError:
        raise DataError(
            f"{root}: is a file, and no table (.csv, .tsv or .parquet); give a folder with one"
            " sub-folder a class"
        ) from None
    except OSError as error:
        raise DataError(f"{root}: can't be read: {error.strerror or error}") from None


def _folders(root: Path) -> list[Path]:
    return [path for path in _entries(root) if path.is_dir() and not path.name.startswith(".")]


def _files(root: Path) -> list[Path]:
    return [path for path in _entries(root) if not path.is_dir() and not path.name.startswith(".")]


def _whose(path: Path) -> str:
    """Say whose folder it is that is no class; "" for one that may be."""
    if path.name.startswith("."):
        return "a hidden folder"
    return NO_CLASSES.get(path.name.lower(), "")


class _Walk:
    """Goes through the folders of a collection, and notes what it passes over."""

    def __init__(self, root: Path, tops: list[Path]) -> None:
        self._root = root
        self._real = root.resolve()
        self._tops = {path.name for path in tops if not path.is_symlink()}
        self.rejected: list[Rejected] = []
        self.folders: list[Rejected] = []
        self.loose: list[Path] = []

    def pass_over(self, path: Path, why: str) -> None:
        self.folders.append(Rejected(path, why, photograph=False))

    def listing(self, files: list[Listed], divided_by: str = "") -> Listing:
        return Listing(
            self._root, tuple(files), tuple(self.rejected), tuple(self.folders), tuple(self.loose),
            BESIDE if divided_by else LOOSE, False, divided_by,
        )  # fmt: skip

    def classes(self, top: Path, part: Part | Literal[""]) -> Iterator[Listed]:
        """Yield the files of the class folders in `top`.

        Two folders of one name, in two spellings of Unicode, are one class.
        """
        for path in _entries(top):
            if not path.is_dir():
                if not path.name.startswith("."):
                    self.loose.append(path)
                continue
            if not self._enters(path, set()):
                continue
            label = unicodedata.normalize("NFC", path.name)
            lost = len(self.rejected)
            files = self.files(path)
            if not files and len(self.rejected) == lost:
                self.pass_over(path, "empty")
            for file in files:
                inner = file.parent.relative_to(path)
                group = (Path(label) / inner).as_posix() if inner.parts else ""
                yield Listed(file, label, part, group)

    def files(self, top: Path) -> list[Path]:
        def note(error: OSError) -> None:
            reason = f"the folder can't be read: {error.strerror or error}"
            self.rejected.append(Rejected(Path(error.filename), reason))

        found, seen = [], {_identity(top)}
        for parent, folders, names in os.walk(top, onerror=note, followlinks=True):
            inner = [Path(parent, name) for name in sorted(folders)]
            folders[:] = [path.name for path in inner if self._enters(path, seen)]
            found += [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
        return found

    def _is_read(self, real: Path) -> bool:
        """Say whether a folder is the collection, holds it, or is read without a link."""
        if self._real.is_relative_to(real):
            return True
        if not real.is_relative_to(self._real):
            return False
        names = real.relative_to(self._real).parts
        return names[0] in self._tops and not any(_whose(Path(name)) for name in names)

    def _enters(self, path: Path, seen: set[tuple[int, int]]) -> bool:
        """Say whether a folder is to be read, and note why where it is not."""
        whose = _whose(path)
        if whose:
            self.pass_over(path, whose)
            return False
        if path.is_symlink():
            real = path.resolve()
            if self._is_read(real):
                self.pass_over(path, f"a link to {readable(real)}, which is read by its own name")
                return False
        try:
            identity = _identity(path)
        except OSError:
            return True  # reading it says why it can't be read
        if identity in seen:
            self.pass_over(path, "a link to a folder that was read already")
            return False
        seen.add(identity)
        return True


def _identity(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_dev, told.st_ino
