"""The leaderboard as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from mineralsweep.app.sweep import SweepOutcome
from mineralsweep.report import compact, judged_on

SHOWN = 15


def render(outcome: SweepOutcome) -> Table:
    """Show the first trials, each score with its interval in one column."""
    rows = compact(outcome.table.head(SHOWN))
    shown = Table(title=f"Leaderboard on {judged_on(outcome.records)}", box=None)
    shown.title_justify = "left"
    for name in rows.columns:
        shown.add_column(str(name), no_wrap=True)
    for row in rows.itertuples(index=False):
        shown.add_row(*row)
    if len(outcome.table) > SHOWN:
        shown.caption = f"{len(outcome.table) - SHOWN} more in the run's leaderboard.csv"
    return shown
