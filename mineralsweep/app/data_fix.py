"""A table of a collection in which what was found wrong is mended, or marked to be decided."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from unicodedata import category

from mineralsweep import files
from mineralsweep.config import Sweep
from mineralsweep.data import duplicates, groups
from mineralsweep.data.catalog import Catalog, CatalogImage
from mineralsweep.data.decode import ImageFacts
from mineralsweep.data.listing import Listing, shown
from mineralsweep.data.profile import spellings, ungrouped
from mineralsweep.data.sources import open_catalog
from mineralsweep.errors import ConfigError, DataError
from mineralsweep.report.examination import examine

COLUMNS = ("file", "label", "group", "split", "note")
NAMED = 5
"""Copies that a note names."""
UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of what a line of a table can't hold: control signs, no UTF-8, line ends."""


@dataclass(frozen=True)
class Fixed:
    """What a table of `fix` holds.

    Attributes:
        rows: of the table; an image each.
        merged: spellings of a class that were changed to another one.
        undecided: images without a label: they look like one photograph, in different classes.
        doubtful: images whose label is kept and noted as doubtful.
        groups: of two images or more.
        unnamed: images that are left out, for their names can't stand in a table.
        skipped: files that can't be used, in words.
        questions: whether images belong together, a sentence each.
    """

    rows: int
    merged: dict[str, str]
    undecided: int
    doubtful: int
    groups: int
    unnamed: tuple[str, ...]
    skipped: str
    questions: tuple[str, ...]


def fix(sweep: Sweep, target: Path) -> Fixed:
    """Write a table of the usable images; the collection stays as it is.

    Spellings of one class become one. Images that are one photograph, by their bytes or by their
    look, and stand in different classes get no label, so that a sweep leaves them out until
    somebody gives one. What belongs together has a group. A doubtful label stays, with a note.

    Args:
        sweep: its data section says what is read.
        target: the file to write; its rows are relative to it.

    Raises:
        DataError: the source can't be used, or the file is there already.
        ConfigError: the file can't be written.
    """
    if target.exists():
        raise DataError(f"{target}: is there already; give another name with --out, or remove it")
    asked = sweep.data.settings()
    merged: dict[str, str] = {}

    def one_spelling(found: Listing) -> Listing:
        merged.update(_merged(found))
        files = tuple(replace(one, label=merged.get(one.label, one.label)) for one in found.files)
        return replace(found, files=files)

    catalog = open_catalog(asked, relabel=one_spelling)
    copies = duplicates.groups(catalog)
    wanting = _wanting(catalog)
    whole = replace(catalog, images=(*catalog.images, *wanting))
    together = groups.together(
        whole, asked.groups, (*copies, *range(len(copies), len(whole.images)))
    )
    findings = examine(catalog, together[: len(copies)])
    disputed = _disputed(catalog, copies)
    doubts = findings.doubts.found
    notes = {one.row: ", ".join(one.reasons) for one in findings.poor}
    notes |= {one.row: f"label in doubt: looks like {one.looks_like}" for one in doubts}
    notes |= disputed | dict(enumerate(wanting.values(), start=len(copies)))
    several = groups.several(together)
    named = {row: f"group{number}" for number, own in enumerate(several, start=1) for row in own}
    rows = [
        _Row(image.path, "" if row in disputed else image.label, named.get(row, ""),
             image.part or "train", notes.get(row, ""))
        for row, image in enumerate(whole.images)
    ]  # fmt: skip
    written = [row for row in rows if row.place(target)]
    divided = bool(catalog.listing.divided_by) and not asked.redivide
    header = [name for name in COLUMNS if divided or name != "split"]
    _write(target, [header, *(row.line(target, divided) for row in written)])
    return Fixed(
        len(written),
        merged,
        undecided=len(disputed) + len(wanting),
        doubtful=len(doubts),
        groups=len(several),
        unnamed=tuple(shown(row.path, catalog.root) for row in rows if not row.place(target)),
        skipped=catalog.skipped(),
        questions=tuple(ungrouped(catalog, asked)),
    )


class _Row(NamedTuple):
    path: Path
    label: str
    group: str
    part: str
    note: str

    def place(self, table: Path) -> str:
        """Return the file's path as the table has it; "" for one that can't stand in a table."""
        # From the folder's own place: ".." of a linked one is another folder.
        try:
            place = Path(os.path.relpath(self.path, table.parent.resolve())).as_posix()
        except ValueError:  # on another of Windows' drives
            place = self.path.resolve().as_posix()
        return "" if any(category(sign) in UNWRITABLE for sign in place) else place

    def line(self, table: Path, divided: bool) -> list[str]:
        note = self.note.encode("utf-8", "backslashreplace").decode()
        return [self.place(table), self.label, self.group, *[self.part] * divided, note]


def _wanting(catalog: Catalog) -> dict[CatalogImage, str]:
    """Return the files to which a label alone is missing, each once, with the reasons."""
    reasons: dict[Path, list[str]] = {}
    told = [one for one in catalog.rejected if one.listed is not None]
    for one in told:
        reasons.setdefault(one.path, []).append(one.reason)
    files = {one.path: one.listed for one in told if one.listed is not None}
    not_read = ImageFacts("", "", 0, 0)
    return {
        CatalogImage(path, "", "", not_read, file.part, file.group): "; ".join(reasons[path])
        for path, file in files.items()
    }


def _disputed(catalog: Catalog, copies: Sequence[int]) -> dict[int, str]:
    """Return the rows of images that are one photograph in several classes, with a note each."""
    notes = {}
    for same in groups.several(copies):
        if len({catalog.images[row].label for row in same}) > 1:
            for row in same:
                others = _named([catalog.file(other) for other in same if other != row])
                label = catalog.images[row].label
                notes[row] = f"was {label}; looks like the same photograph as {others}"
    return notes


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(files[:NAMED]) + more


def _write(target: Path, lines: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(lines)
    text = written.getvalue()
    try:
        files.write_atomically(target, lambda path: path.write_text(text, encoding="utf-8"))
        target.chmod(0o644)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"--out: {target} can't be written: {reason}; name another file"
        ) from None


def _merged(found: Listing) -> dict[str, str]:
    """Return, for a spelling of a class that another one is more often written in, that other."""
    counts = Counter(file.label for file in found.files)
    changed: dict[str, str] = {}
    for names in spellings(found.classes()):
        most = max(names, key=lambda name: (counts[name], name == name.strip(), name))
        changed |= {name: most for name in names if name != most}
    return changed
