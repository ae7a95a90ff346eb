"""mineralsweep data check PATH"""

from __future__ import annotations

from argparse import Namespace

from rich.table import Table

from mineralsweep.cli.shell import plain_console
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.names import readable
from mineralsweep.data.profile import ClassProfile, profile
from mineralsweep.data.source import open_catalog


def run(options: Namespace) -> int:
    """Print the classes, their sizes, and the files that were skipped."""
    console = plain_console()
    catalog = open_catalog(options.path)
    console.print(f"{catalog.root}: {len(catalog.images)} usable images, "
                  f"{len(catalog.rejected)} skipped; digest {catalog.digest[:16]}")  # fmt: skip
    console.print(_sizes(catalog))
    console.print(_formats(catalog))
    for rejected in catalog.rejected:
        console.print(f"skipped {readable(rejected.path)!r}: {rejected.reason}")
    if len(catalog.classes) < 2:
        console.print("A sweep needs at least 2 classes: one sub-folder each.")
    else:
        console.print(f"Next: mineralsweep sweep sweeps/quick.yaml --data {options.path}")
    return 0


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
    counts: dict[str, int] = {}
    for image in catalog.images:
        kind = f"{image.facts.format} {image.facts.mode}"
        counts[kind] = counts.get(kind, 0) + 1
    return "By content: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
