"""What a source names: files with their classes, before anyone has read them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, get_args

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)

PARTS_BY_NAME: dict[str, Part] = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "eval": "validation", "evaluation": "validation",
    "test": "test", "testing": "test", "holdout": "test",
}  # fmt: skip
"""What people call the parts of a collection that is divided already, in small letters."""
ENDINGS = re.compile(r"(set|data|images|split)$")


def part_of(name: str) -> Part | None:
    """Return the part that a name means, such as Train, valid or test_set; None for another one."""
    letters = re.sub(r"[\W_]+", "", name.casefold())
    return PARTS_BY_NAME.get(letters) or PARTS_BY_NAME.get(ENDINGS.sub("", letters))


def readable(path: PurePath) -> str:
    """Return a path as text; bytes in it that are no UTF-8 stand as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def shown(path: Path, root: Path) -> str:
    """Return a file's path as text: from the root, where it lies below it."""
    return readable(path.relative_to(root) if path.is_relative_to(root) else path)


@dataclass(frozen=True)
class Listed:
    """One file of a source, with its class.

    Attributes:
        part: where the source is divided already; "" where it is not.
        group: equal for images that may belong together: a table's column, or the folder below the
            class folder; "": neither.
    """

    path: Path
    label: str
    part: Part | Literal[""] = ""
    group: str = ""


@dataclass(frozen=True)
class Rejected:
    """One file that can't be used, or one folder that was passed over, and why.

    Attributes:
        photograph: whether it was lost; a video or a sidecar file is missed by nobody.
        listed: what the source says of a file to which a label alone is missing; None: of
            another one.
    """

    path: Path
    reason: str
    photograph: bool = True
    listed: Listed | None = None


@dataclass(frozen=True)
class Listing:
    """All that a source names.

    Attributes:
        root: the folder that the files' places are told from.
        files: those with a class.
        rejected: those that can't be used, as far as the source knows.
        folders: that were passed over.
        loose: files without a class; whether they are photographs is seen by their content.
        loose_reason: what to say of these.
        is_table: a table names them; else folders do.
        divided_by: "folders" or "column" where the source is divided already; else "".
        unused: columns of a table that are not used, and may say which images belong together.
        trimmed: labels that had blanks around them, which were taken off.
    """

    root: Path
    files: tuple[Listed, ...]
    rejected: tuple[Rejected, ...] = ()
    folders: tuple[Rejected, ...] = ()
    loose: tuple[Path, ...] = ()
    loose_reason: str = ""
    is_table: bool = False
    divided_by: str = ""
    unused: tuple[str, ...] = ()
    trimmed: tuple[str, ...] = ()

    def classes(self) -> tuple[str, ...]:
        """Return the classes named, sorted."""
        return tuple(sorted({file.label for file in self.files}))
