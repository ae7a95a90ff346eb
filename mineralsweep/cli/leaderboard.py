"""The leaderboard as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from mineralsweep.pipeline import SweepOutcome
from mineralsweep.report import compact

SHOWN = 15


def render(outcome: SweepOutcome) -> Table:
    """Show the first trials, with the validation accuracy and its interval in one column."""
    rows = compact(outcome.table.head(SHOWN))
    n = outcome.records[0].n
    shown = Table(title=f"Leaderboard on the validation split, n = {n}", box=None)
    shown.title_justify = "left"
    for name in rows.columns:
        shown.add_column(str(name), no_wrap=True)
    for row in rows.itertuples(index=False):
        shown.add_row(*row)
    if len(outcome.table) > SHOWN:
        shown.caption = f"{len(outcome.table) - SHOWN} more in the run's leaderboard.csv"
    return shown
