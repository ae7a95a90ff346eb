"""The leaderboard as a table for a terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.table import Table

from mineralsweep.pipeline import SweepOutcome

SHOWN = 15
NOT_SETTINGS = {
    "rank", "trial", "state", "val_accuracy", "low", "high", "n", "val_loss", "best_epoch",
    "seconds", "reason", "run_id",
}  # fmt: skip


def render(outcome: SweepOutcome) -> Table:
    """Show the first trials, with the validation accuracy and its interval in one column."""
    table = outcome.table.head(SHOWN)
    settings = [
        name for name in table.columns if name not in NOT_SETTINGS and table[name].notna().any()
    ]
    n = outcome.records[0].n
    shown = Table(title=f"Leaderboard on the validation split, n = {n}", box=None)
    shown.title_justify = "left"
    for name in ("rank", "trial", "accuracy [95 % interval]", "loss", *settings, ""):
        shown.add_column(name.replace("_", " "), no_wrap=True)
    for row in table.to_dict("records"):
        score = (
            "-"
            if pd.isna(row["val_accuracy"])
            else (f"{row['val_accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]")
        )
        loss = "-" if pd.isna(row["val_loss"]) else f"{row['val_loss']:.3f}"
        values = [_cell(row[name]) for name in settings]
        state = "" if row["state"] == "COMPLETE" else str(row["state"])
        shown.add_row(str(row["rank"]), str(row["trial"]), score, loss, *values, state)
    if len(outcome.table) > SHOWN:
        shown.caption = f"{len(outcome.table) - SHOWN} more in the run's leaderboard.csv"
    return shown


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
