"""mineralsweep report STUDY"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from mineralsweep.app.drawing import FILE, draw_again


def run(options: Namespace) -> int:
    """Draw a study's report again, and say where it is."""
    out = None if options.out is None else Path(options.out)
    run_id, page = draw_again(options.study, out, print)
    for warning in page.warnings:
        print(f"Careful: {warning}")
    print(f"{FILE}: {len(page.html.encode()) / 1e6:.2f} MB, an artifact of run {run_id}")
    if out is not None:
        print(f"Also in {out}")
    return 0
