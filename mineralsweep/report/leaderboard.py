"""A study's records -> a table, one row a trial, and the form of it that people read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from mineralsweep.config import Sweep
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import BASELINE, TrialRecord, ranked
from mineralsweep.evaluation import FoldMean
from mineralsweep.evaluation.scores import over

ENDS = ["best_epoch", "seconds", "reason", "run_id"]
"""Columns after the settings."""
NOT_SETTINGS = {
    "rank", "trial", "state", "low", "high", "n", "accuracy_low", "accuracy_high",
    "spread", "folds", "fits", *ENDS,
}  # fmt: skip
METRICS = {one.metric: name for name, one in objectives.OBJECTIVES.items()}
INTERVAL = "[95 % interval]"


def leaderboard(records: Sequence[TrialRecord], sweep: Sweep) -> pd.DataFrame:
    """Return one row a trial, best first, for other programs to read.

    The objective's value stands as `val_NAME` with its 95 % interval (`low`, `high`) and `n`. The
    accuracy, where it is not the objective, has its own interval (`accuracy_low`,
    `accuracy_high`). With folds, also the value's standard deviation over them (`spread`), how
    many there are (`folds`), and how many trainings ended (`fits`). The
    other objectives, if there are any, stand after the scores. The baseline is `baseline`.
    """
    rows = [
        _row(place, record, sweep)
        for place, record in enumerate(ranked(records, sweep.objective), start=1)
    ]
    table = pd.DataFrame(rows)
    # A column with gaps would make floats of its whole numbers.
    whole = {name: "Int64" for name in table.columns if _is_whole(row.get(name) for row in rows)}
    return table[[*(name for name in table.columns if name not in ENDS), *ENDS]].astype(whole)


def _is_whole(values: Iterable[Any]) -> bool:
    return {type(value) for value in values} - {type(None)} == {int}


def _row(place: int, record: TrialRecord, sweep: Sweep) -> dict[str, Any]:
    trial = "baseline" if record.number == BASELINE else record.number
    row: dict[str, Any] = {"rank": place, "trial": trial, "state": record.state}
    row |= _scores(record, sweep.objective)
    row |= {name: _short(record.measures.get(name)) for name in sweep.costs}
    row |= {name: _short(value) for name, value in record.params.items()}
    return row | {
        "best_epoch": record.best_epoch,
        "seconds": round(record.seconds, 1),
        "reason": record.reason,
        "run_id": record.run_id,
    }


def _scores(record: TrialRecord, objective: str) -> dict[str, Any]:
    metric = objectives.get(objective).metric
    accuracy = None if record.accuracy is None else record.interval()
    value = record.score()
    row: dict[str, Any] = {
        metric: record.value,
        "low": value and value.low,
        "high": value and value.high,
        "n": record.n,
    }
    if metric != "val_accuracy":
        row |= {
            "val_accuracy": record.accuracy,
            "accuracy_low": accuracy and accuracy.low,
            "accuracy_high": accuracy and accuracy.high,
        }
    row["val_loss"] = record.loss
    if record.folds > 1:
        over = value if isinstance(value, FoldMean) else None
        row |= {"spread": over and over.spread, "folds": record.folds, "fits": over and over.fits}
    return {name: round(x, 6) if isinstance(x, float) else x for name, x in row.items()}


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Return the leaderboard as people read it: text cells, an interval beside its score."""
    metric = next(name for name in table.columns if name in METRICS)
    own = NOT_SETTINGS | METRICS.keys()
    settings = [name for name in table.columns if name not in own and table[name].notna().any()]
    rows = []
    for row in table.to_dict("records"):
        shown = {_title(metric, table): _value(row, metric)}
        if metric != "val_accuracy":
            ends = {"low": row["accuracy_low"], "high": row["accuracy_high"], "spread": None}
            shown[f"accuracy {INTERVAL}"] = _value({**row, **ends}, "val_accuracy")
        if metric != "val_loss":
            shown["loss"] = "-" if pd.isna(row["val_loss"]) else f"{row['val_loss']:.3f}"
        rows.append(
            {
                "rank": str(row["rank"]),
                "trial": str(row["trial"]),
                **shown,
                **{name.replace("_", " "): _cell(row[name]) for name in settings},
                "state": row["state"],
            }
        )
    return pd.DataFrame(rows)


def _title(metric: str, table: pd.DataFrame) -> str:
    name = METRICS[metric].replace("_", " ")
    if "fits" in table and table["fits"].notna().any():
        folds, fits = int(table["folds"].max()), int(table["fits"].max())
        return f"{name} ± sd over {over(folds, fits)} {INTERVAL}"
    return f"{name} {INTERVAL}" if table["low"].notna().any() else name


def _value(row: dict[Any, Any], metric: str) -> str:
    if pd.isna(row[metric]):
        return "-"
    text = f"{row[metric]:.3f}"
    spread = row.get("spread")
    if spread is not None and not pd.isna(spread):
        text += f" ± {spread:.3f}"
    return text if pd.isna(row["low"]) else f"{text} [{row['low']:.3f}, {row['high']:.3f}]"


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def judged_on(records: Sequence[TrialRecord]) -> str:
    """Say what a study's trials were compared on, and on how many images."""
    n = max(record.n for record in records)
    folds = max(record.folds for record in records)  # a failed trial may not know of its folds
    if folds == 1:
        return f"the validation split, n = {n}"
    fits = max(len(record.fold_accuracies) for record in records)
    return f"{over(folds, fits)} of all but the test split, n = {n}"


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    rows += [list(map(str, row)) for row in table.to_numpy(object)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
