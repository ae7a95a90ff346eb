"""The leaderboard as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from mineralsweep.app import SweepOutcome
from mineralsweep.report import compact

SHOWN = 15


def render(outcome: SweepOutcome) -> Table:
    """Show the first trials, with the validation accuracy and its interval in one column."""
    rows = compact(outcome.table.head(SHOWN))
    records = outcome.records
    folds = records[0].folds  # the same for all; a trial cut short has predicted fewer images
    judged = "the validation split" if folds == 1 else f"{folds} folds of all but the test split"
    n = max(record.n for record in records)
    shown = Table(title=f"Leaderboard on {judged}, n = {n}", box=None)
    shown.title_justify = "left"
    for name in rows.columns:
        shown.add_column(str(name), no_wrap=True)
    for row in rows.itertuples(index=False):
        shown.add_row(*row)
    if len(outcome.table) > SHOWN:
        shown.caption = f"{len(outcome.table) - SHOWN} more in the run's leaderboard.csv"
    return shown
