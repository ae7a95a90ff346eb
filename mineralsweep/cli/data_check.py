"""mineralsweep data check PATH"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from pathlib import Path

from rich.table import Table

from mineralsweep import files
from mineralsweep.cli.shell import plain_console
from mineralsweep.data.catalog import Catalog, readable
from mineralsweep.data.profile import ClassProfile, profile
from mineralsweep.data.source import open_catalog
from mineralsweep.report import photographs
from mineralsweep.report.examination import SHARES, Findings, examine

PAGE = "data-check.html"
FIRST_DOUBTS = 5


def check(options: Namespace) -> int:
    """Print the classes, their sizes, near-duplicates and doubts; write the page of pictures."""
    console = plain_console()
    catalog = open_catalog(options.path)
    console.print(f"{catalog.root}: {len(catalog.images)} usable images, "
                  f"{catalog.skipped()}; digest {catalog.digest[:16]}")  # fmt: skip
    console.print(_sizes(catalog))
    console.print(_formats(catalog))
    for rejected in catalog.rejected:
        console.print(f"skipped {readable(rejected.path)!r}: {rejected.reason}")
    findings = examine(catalog)
    for line in _found(findings):
        console.print(line)
    target = Path(options.page or PAGE)
    text = photographs.page(findings, catalog.root.resolve().name).html
    files.write_atomically(target, lambda path: path.write_text(text, encoding="utf-8"))
    target.chmod(0o644)  # it is for others' browsers as well, unlike what the cache keeps
    console.print(f"Wrote {target}: all of this with pictures; open it in a browser.")
    if len(catalog.classes) < 2:
        console.print("A sweep needs at least 2 classes: one sub-folder each.")
    else:
        console.print(f"Next: mineralsweep sweep sweeps/quick.yaml --data {options.path}")
    return 0


def _found(findings: Findings) -> list[str]:
    lines = []
    crossing = sum(group.crosses for group in findings.groups)
    if findings.groups:
        lines.append(
            f"Groups of near-duplicates: {len(findings.groups)}, each kept on one side of a split;"
            f" {crossing} would have been divided ({SHARES}):"
        )
    for group in findings.groups:
        files = ", ".join(repr(findings.file(row)) for row in group.rows)
        sides = f" (would have been in {' and '.join(group.sides)})" if group.crosses else ""
        wrong = " Careful: different classes, a label is wrong." if len(group.classes) > 1 else ""
        lines.append(f"  {files}{sides}{wrong}")
    if not findings.groups:
        lines.append("No near-duplicates were found.")
    lines.append(_doubtful(findings))
    return lines


def _doubtful(findings: Findings) -> str:
    doubts = findings.doubts
    if doubts.accuracy is None:
        return f"Labels were not looked at: {doubts.missing}."
    first = ", ".join(repr(findings.file(doubt.row)) for doubt in doubts.found[:FIRST_DOUBTS])
    return (
        f"Labels in doubt: {len(doubts.found)}, by trees on colour and texture features, which are"
        f" right for {doubts.accuracy:.0%} of all images"
        f"{'; look first at ' + first if first else ''}."
    )


def _sizes(catalog: Catalog) -> Table:
    table = Table(box=None, title="Height and width in pixels", title_justify="left")
    table.add_column("class")
    table.add_column("images", justify="right")
    for side in ("height", "width"):
        for name in ("mean", "25 %", "median", "75 %"):
            table.add_column(f"{side} {name}", justify="right")
    for row in profile(catalog):
        table.add_row(row.label, str(row.count), *_cells(row))
    return table


def _cells(row: ClassProfile) -> list[str]:
    cells = []
    for spread in (row.height, row.width):
        if spread is None:
            cells += ["-"] * 4
        else:
            cells.append(f"{spread.mean:.1f}")
            cells += [
                f"{value:.0f}"
                for value in (spread.lower_quartile, spread.median, spread.upper_quartile)
            ]
    return cells


def _formats(catalog: Catalog) -> str:
    counts = Counter(f"{image.facts.format} {image.facts.mode}" for image in catalog.images)
    return "By content: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
