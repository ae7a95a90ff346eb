"""mineralsweep sweep FILE"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from mineralsweep.cli.progress import Progress
from mineralsweep.cli.shell import next_commands, plain_console
from mineralsweep.config import Override, load
from mineralsweep.pipeline import SweepOutcome, run_sweep

SHOWN = 15
NOT_SETTINGS = {
    "rank", "trial", "state", "val_accuracy", "low", "high", "n", "val_loss", "best_epoch",
    "seconds", "reason", "run_id",
}  # fmt: skip


def run(options: Namespace) -> int:
    """Run a sweep and say where everything went."""
    config = Path(options.file)
    sweep = load(
        config,
        [
            Override("data.source", options.data, "--data"),
            Override("budget.trials", options.trials, "--trials"),
            Override("budget.epochs", options.epochs, "--epochs"),
            Override("budget.timeout", options.timeout, "--timeout"),
            Override("workers", options.workers, "--workers"),
            Override("seed", options.seed, "--seed"),
            Override("weights", options.weights, "--weights"),
            Override("engine.name", options.engine, "--engine"),
        ],
    )
    console = plain_console()
    console.print(f"Question: {' '.join(sweep.question.split())}")
    study = options.study
    with Progress(console, sweep.budget.epochs, sweep.budget.trials, sweep.workers) as progress:
        try:
            outcome = run_sweep(sweep, config, study, options.storage, progress, progress.say)
        except KeyboardInterrupt:
            progress.close()
            name = progress.study
            if name:
                again = f"mineralsweep sweep {config} --study {name}"
                print(f"Interrupted. Finished trials are kept. Go on: {again}", file=sys.stderr)
            raise
    _show(console, outcome)
    return 0


def _show(console: Console, outcome: SweepOutcome) -> None:
    console.print(_leaderboard(outcome))
    crowned = outcome.crowned
    best = crowned.record
    console.print(
        f"Champion: trial {best.number}, {best.params['architecture']}"
        f" -> mineral-classifier version {crowned.version}, alias champion"
    )
    console.print(
        f"  test accuracy {crowned.scores.accuracy}; macro-F1 {crowned.scores.macro_f1:.3f}"
    )
    for name, recall in crowned.scores.recall.items():
        console.print(f"  recall of {name}: {recall}")
    times = (
        "once" if crowned.openings == 1 else f"{crowned.openings} times: no longer a fresh score"
    )
    console.print(f"  (95 % Wilson intervals; the test split was opened {times})")
    console.print(f"Took {outcome.minutes:.1f} minutes.")
    store = outcome.store
    console.print(f"Run: {outcome.run_id} in experiment '{store.experiment}', {store.shown_uri}")
    console.print(next_commands(store.uri, serve="models:/mineral-classifier@champion"))


def _leaderboard(outcome: SweepOutcome) -> Table:
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
