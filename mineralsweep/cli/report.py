"""mineralsweep report STUDY"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from mineralsweep.app.report import PAGE, make_report


def run(options: Namespace) -> int:
    """Make a study's report again, and say where it is."""
    out = None if options.out is None else Path(options.out)
    made = make_report(options.study, out, print)
    for warning in made.warnings:
        print(f"Careful: {warning}")
    print(f"{PAGE}: {made.size / 1e6:.2f} MB, an artifact of run {made.run_id}")
    if out is not None:
        print(f"Also in {out}")
    return 0
