"""A study's records -> a table, one row a trial, and the form of it that people read."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mineralsweep.config import Sweep
from mineralsweep.core.record import BASELINE, TrialRecord, ranked

NOT_SETTINGS = {
    "rank", "trial", "state", "val_accuracy", "spread", "folds", "low", "high", "n", "val_loss",
    "best_epoch", "seconds", "reason", "run_id",
}  # fmt: skip


def leaderboard(records: list[TrialRecord], sweep: Sweep) -> pd.DataFrame:
    """Return one row a trial, best first, every score with its interval and n.

    The baseline stands among them as `baseline`. With folds, also the standard deviation over
    them (`spread`) and how many were trained.
    """
    rows = [
        _row(place, record)
        for place, record in enumerate(ranked(records, sweep.objective), start=1)
    ]
    return pd.DataFrame(rows)


def _row(place: int, record: TrialRecord) -> dict[str, Any]:
    trial = "baseline" if record.number == BASELINE else record.number
    row: dict[str, Any] = {"rank": place, "trial": trial, "state": record.state}
    if record.accuracy is not None and record.loss is not None:
        interval = record.interval()
        row |= {
            "val_accuracy": round(interval.value, 6),
            "low": round(interval.low, 6),
            "high": round(interval.high, 6),
            "n": record.n,
            "val_loss": round(record.loss, 6),
        }
    else:
        row |= {"val_accuracy": None, "low": None, "high": None, "n": record.n, "val_loss": None}
    if record.folds > 1:
        row |= {
            "spread": None if record.spread is None else round(record.spread, 6),
            "folds": sum(one is not None for one in record.fold_accuracies),
        }
    row |= {name: _short(value) for name, value in record.params.items()}
    row |= {
        "best_epoch": record.best_epoch,
        "seconds": round(record.seconds, 1),
        "reason": record.reason,
        "run_id": record.run_id,
    }
    return row


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Return the leaderboard as people read it: text cells, an interval beside its score."""
    settings = [
        name for name in table.columns if name not in NOT_SETTINGS and table[name].notna().any()
    ]
    title = "accuracy [95 % interval]"
    if "spread" in table.columns:
        title = f"accuracy ± sd over {table['folds'].max():.0f} folds [95 % interval]"
    rows = []
    for row in table.to_dict("records"):
        scored = not pd.isna(row["val_accuracy"])
        interval = f"{row['val_accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        spread = row.get("spread")
        if spread is not None and not pd.isna(spread):
            interval = interval.replace(" [", f" ± {spread:.3f} [")
        rows.append(
            {
                "rank": str(row["rank"]),
                "trial": str(row["trial"]),
                title: interval if scored else "-",
                "loss": f"{row['val_loss']:.3f}" if scored else "-",
                **{name.replace("_", " "): _cell(row[name]) for name in settings},
                "state": row["state"],
            }
        )
    return pd.DataFrame(rows)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def markdown(table: pd.DataFrame) -> str:
    """Return the leaderboard as a Markdown table."""
    shown = compact(table)
    rows = [list(map(str, shown.columns)), ["---"] * len(shown.columns)]
    rows += [list(row) for row in shown.to_numpy(object)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
