"""mineralsweep data check PATH, mineralsweep data fix PATH"""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections import Counter, defaultdict
from pathlib import Path

from rich.table import Table

from mineralsweep import files
from mineralsweep.app.data_check import Verdict, verdict
from mineralsweep.cli.shell import plain_console
from mineralsweep.config import Override, Sweep, build, load, pairs
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.listing import readable
from mineralsweep.data.profile import ClassProfile, profile
from mineralsweep.report import photographs
from mineralsweep.report.examination import Findings, examine

PAGE = "data-check.html"
TABLE = "photographs.csv"
FIRST_DOUBTS = 5
FIRST_SWEEP = "quick"
SKIPPED_SHOWN = 20
LINES_SHOWN = 200


def check(options: Namespace) -> int:
    """Say whether a sweep can be made of a collection; write the page of pictures.

    Returns:
        0: it can; 1: it would fail, for the reasons printed.
    """
    console = plain_console()
    judged = verdict(_sweep(options), console.print)
    catalog = judged.catalog
    console.print(f"{options.path}: {len(catalog.images)} usable images, "
                  f"{catalog.skipped()}; digest {catalog.digest[:16]}")  # fmt: skip
    console.print(_sizes(catalog))
    console.print(_formats(catalog))
    for folder in catalog.listing.folders:
        console.print(f"passed over {readable(folder.path)!r}: {folder.reason}")
    for line in _skipped(catalog):
        console.print(line)
    belonging = judged.dataset.groups if judged.dataset else None
    findings = examine(catalog, belonging, judged.shares)
    for line in (*_found(findings), *judged.remarks):
        console.print(line)
    target = Path(options.page or PAGE)
    text = photographs.page(findings, _name(judged, options), judged.problems, judged.remarks).html
    files.write_atomically(target, lambda path: path.write_text(text, encoding="utf-8"))
    target.chmod(0o644)  # it is for others' browsers as well, unlike what the cache keeps
    console.print(f"Wrote {target}: all of this with pictures; open it in a browser.")
    for problem in judged.problems:
        console.print(f"A sweep would fail: {problem}")
    if not judged.problems:
        console.print(f"A sweep can be run. Next: {_next(options)}")
    return 1 if judged.problems else 0


def fix(options: Namespace) -> int:
    """Write a table of a collection with what was found mended or marked, and say what."""
    from mineralsweep.app.data_fix import fix

    target = Path(options.out or TABLE)
    made = fix(_sweep(options), target)
    print(
        f"Wrote {target}: {made.rows} images, {made.skipped}; groups that belong together:"
        f" {made.groups}"
    )
    for name, other in made.merged.items():
        print(f"{name} became {other}")
    if made.undecided:
        print(
            f"Without a label now: {made.undecided}. The column note says why: most are one"
            " photograph in different classes. Give a label, or leave them out as they are"
        )
    if made.unnamed:
        shown = ", ".join(made.unnamed[:FIRST_DOUBTS])
        print(f"Left out, for a table can't hold their names: {len(made.unnamed)} ({shown})")
    if made.doubtful:
        print(f"Labels in doubt: {made.doubtful}. Look at them, and change them in the table")
    for question in made.questions:
        print(question)
    print(f"Next: mineralsweep data check {shlex.quote(str(target))}")
    return 0


def _sweep(options: Namespace) -> Sweep:
    """Return the sweep that the collection is tried for."""
    return load(_config(options), _laid(options))


def with_defaults(options: Namespace) -> Sweep:
    """Return a sweep with the defaults, for its data section: PATH, and what --set lays over it."""
    raw = {"question": "Can a sweep be run?", "space": {"architecture": "colour_texture"}}
    return build(raw, "mineralsweep", _laid(options))


def _laid(options: Namespace) -> list[Override]:
    return [Override("data.source", options.path, "PATH"), *pairs(options.set)]


def _config(options: Namespace) -> str:
    """Return the sweep file that is tried, and named as the next step."""
    named: str | None = getattr(options, "config", None)
    return named or FIRST_SWEEP


def _skipped(catalog: Catalog) -> list[str]:
    """Return a line a file that was skipped; of many with one reason, the first ones."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for one in catalog.rejected:
        by_reason[one.reason].append(readable(one.path))
    lines = []
    for reason, paths in by_reason.items():
        lines += [f"skipped {path!r}: {reason}" for path in paths[:SKIPPED_SHOWN]]
        if len(paths) > SKIPPED_SHOWN:
            lines.append(f"skipped {len(paths) - SKIPPED_SHOWN} more: {reason}")
    if len(lines) > LINES_SHOWN:
        lines[LINES_SHOWN:] = [f"and {len(lines) - LINES_SHOWN} more lines of skipped files"]
    return lines


def _name(judged: Verdict, options: Namespace) -> str:
    return judged.dataset.name if judged.dataset else Path(options.path).resolve().name


def _next(options: Namespace) -> str:
    config = shlex.quote(_config(options))
    laid = f" --set {' '.join(map(shlex.quote, options.set))}" if options.set else ""
    return f"mineralsweep sweep {config} --data {shlex.quote(options.path)}{laid}"


def _found(findings: Findings) -> list[str]:
    lines = []
    crossing = sum(group.crosses for group in findings.groups)
    if findings.groups:
        lines.append(
            f"Groups of near-duplicates: {len(findings.groups)}, each kept on one side of a split;"
            f" {crossing} would have been divided ({findings.shares}):"
        )
    for group in findings.groups:
        files = ", ".join(repr(findings.file(row)) for row in group.rows)
        sides = f" (would have been in {' and '.join(group.sides)})" if group.crosses else ""
        wrong = " Careful: different classes, a label is wrong." if len(group.classes) > 1 else ""
        lines.append(f"  {files}{sides}{wrong}")
    if not findings.groups:
        lines.append("No near-duplicates were found.")
    lines.append(_doubtful(findings))
    kinds = Counter(reason for one in findings.poor for reason in one.reasons)
    lines += [
        f"Careful: {count} image{'s' * (count != 1)}: {reason}"
        for reason, count in kinds.most_common()
    ]
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
