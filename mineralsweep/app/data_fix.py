"""A table of a collection in which what was found wrong is mended, or marked to be decided."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

from mineralsweep import files
from mineralsweep.config import Sweep
from mineralsweep.data import duplicates, groups
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.profile import spellings
from mineralsweep.data.sources import open_catalog
from mineralsweep.errors import ConfigError, DataError
from mineralsweep.report.examination import examine

COLUMNS = ("file", "label", "group", "split", "note")


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
    """

    rows: int
    merged: dict[str, str]
    undecided: int
    doubtful: int
    groups: int
    unnamed: tuple[str, ...]


def fix(sweep: Sweep, target: Path) -> Fixed:
    """Write a table of the usable images; the collection stays as it is.

    Spellings of one class become one. Images that look like one photograph and stand in different
    classes get no label, so that a sweep leaves them out until somebody gives one. What belongs
    together has a group. A doubtful label stays, with a note.

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
    catalog = open_catalog(asked)
    merged = _merged(catalog)
    catalog = _renamed(catalog, merged)
    copies = duplicates.groups(catalog)
    together = groups.together(catalog, asked.groups, copies)
    findings = examine(catalog, together)
    labels = [image.label for image in catalog.images]
    notes = {one.row: ", ".join(one.reasons) for one in findings.poor}
    doubtful, undecided = len(findings.doubts.found), 0
    notes |= {
        doubt.row: f"label in doubt: looks like {doubt.looks_like}"
        for doubt in findings.doubts.found
    }
    for rows in groups.several(copies):
        if len({catalog.images[row].label for row in rows}) > 1:
            undecided += len(rows)
            for row in rows:
                others = ", ".join(catalog.file(other) for other in rows if other != row)
                notes[row] = f"was {labels[row]}; looks like the same photograph as {others}"
                labels[row] = ""
    several = groups.several(together)
    named = {row: f"group{number}" for number, rows in enumerate(several, start=1) for row in rows}
    divided = bool(catalog.divided_by) and not asked.redivide
    unnamed, lines = [], []
    for row, image in enumerate(catalog.images):
        place = Path(os.path.relpath(image.path, target.parent)).as_posix()
        part = [image.part or "train"] if divided else []
        if place.isprintable() and place == place.encode("utf-8", "replace").decode():
            lines.append([place, labels[row], named.get(row, ""), *part, notes.get(row, "")])
        else:
            unnamed.append(catalog.file(row))
    _write(target, [[name for name in COLUMNS if divided or name != "split"], *lines])
    return Fixed(len(lines), merged, undecided, doubtful, len(several), tuple(unnamed))


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


def _merged(catalog: Catalog) -> dict[str, str]:
    """Return, for a spelling of a class that another one is more often written in, that other."""
    counts = catalog.counts()
    changed: dict[str, str] = {}
    for names in spellings(catalog.classes):
        most = max(names, key=lambda name: (counts[name], name == name.strip(), name))
        changed |= {name: most for name in names if name != most}
    return changed


def _renamed(catalog: Catalog, merged: dict[str, str]) -> Catalog:
    """Return a catalogue with other names of classes."""
    images = [
        replace(image, label=merged.get(image.label, image.label)) for image in catalog.images
    ]
    return replace(
        catalog,
        classes=tuple(name for name in catalog.classes if name not in merged),
        images=tuple(sorted(images, key=lambda image: (image.label, image.digest))),
    )
