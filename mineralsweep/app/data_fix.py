"""A table of a collection in which what was found wrong is mended, or marked to be decided."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mineralsweep import files
from mineralsweep.app.data_check import verdict
from mineralsweep.config import Sweep
from mineralsweep.data import duplicates, groups
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.profile import spellings
from mineralsweep.errors import DataError
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
    """

    rows: int
    merged: dict[str, str]
    undecided: int
    doubtful: int
    groups: int


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
    """
    if target.exists():
        raise DataError(f"{target}: is there already; give another name with --out, or remove it")
    judged = verdict(sweep)
    catalog, dataset = judged.catalog, judged.dataset
    together = dataset.groups if dataset else duplicates.groups(catalog)
    merged = _merged(catalog)
    labels = [merged.get(image.label, image.label) for image in catalog.images]
    findings = examine(catalog, together)
    notes = {one.row: ", ".join(one.reasons) for one in findings.poor}
    doubtful, undecided = len(findings.doubts.found), 0
    notes |= {
        doubt.row: f"label in doubt: looks like {doubt.looks_like}"
        for doubt in findings.doubts.found
    }
    for rows in groups.several(duplicates.groups(catalog)):
        if len({labels[row] for row in rows}) > 1:
            undecided += len(rows)
            for row in rows:
                others = ", ".join(catalog.file(other) for other in rows if other != row)
                notes[row] = f"was {labels[row]}; looks like the same photograph as {others}"
                labels[row] = ""
    several = groups.several(together)
    named = {row: f"group{number}" for number, rows in enumerate(several, start=1) for row in rows}
    given = dataset is not None and dataset.given()
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(name for name in COLUMNS if given or name != "split")
    for row, image in enumerate(catalog.images):
        place = Path(os.path.relpath(image.path, target.parent)).as_posix()
        part = [image.part or "train"] if given else []
        table.writerow([place, labels[row], named.get(row, ""), *part, notes.get(row, "")])
    text = written.getvalue()
    files.write_atomically(target, lambda path: path.write_text(text, encoding="utf-8"))
    target.chmod(0o644)
    return Fixed(len(catalog.images), merged, undecided, doubtful, len(several))


def _merged(catalog: Catalog) -> dict[str, str]:
    """Return, for a spelling of a class that another one is more often written in, that other."""
    counts = Counter(image.label for image in catalog.images)
    changed: dict[str, str] = {}
    for names in spellings(catalog.classes):
        most = max(names, key=lambda name: counts[name])
        changed |= {name: most for name in names if name != most}
    return changed
