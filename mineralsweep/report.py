"""A finished study -> its leaderboard, its plots' page, and its description."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from mineralsweep.config import Sweep
from mineralsweep.engines.engine import Engine, TrialRecord
from mineralsweep.engines.ranking import ranked
from mineralsweep.registry import CHAMPION_URI, Crowned

SHOWN_IN_DESCRIPTION = 10
NOT_SETTINGS = {
    "rank", "trial", "state", "val_accuracy", "low", "high", "n", "val_loss", "best_epoch",
    "seconds", "reason", "run_id",
}  # fmt: skip


def leaderboard(records: list[TrialRecord], sweep: Sweep) -> pd.DataFrame:
    """Return one row a trial, best first, every score with its interval and n."""
    rows = [
        _row(place, record)
        for place, record in enumerate(ranked(records, sweep.objective), start=1)
    ]
    return pd.DataFrame(rows)


def _row(place: int, record: TrialRecord) -> dict[str, Any]:
    row: dict[str, Any] = {"rank": place, "trial": record.number, "state": record.state}
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


def plots_page(engine: Engine, study: str) -> str:
    """Return one self-contained HTML page with the engine's plots of the study."""
    from plotly.offline import get_plotlyjs

    sections = "\n".join(
        f"<section><h2>{escape(title)}</h2>{fragment}</section>"
        for title, fragment in engine.plots().items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study)}: {engine.name}'s plots</title>"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:1rem auto;max-width:70rem;"
        "padding:0 1rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>"
        f"<h1>{escape(study)}</h1>"
        "<p>The two importances answer different questions and may rank settings differently."
        " With few trials, read neither as more than a hint.</p>"
        f"{sections}</body></html>"
    )


def description(
    sweep: Sweep,
    table: pd.DataFrame,
    crowned: Crowned,
    data: str,
    left_out: list[str],
    minutes: float,
) -> str:
    """Return the Markdown that stands on top of the sweep's page in MLflow."""
    best = crowned.record
    lines = [
        f"**Question.** {' '.join(sweep.question.split())}",
        "",
        f"**Answer.** Trial {best.number} ({best.params['architecture']}) was best on the"
        f" validation split: accuracy {best.interval()}. On the test split, opened after the"
        f" choice, it reached **{crowned.scores.accuracy}** (95 % Wilson interval), macro-F1"
        f" {crowned.scores.macro_f1:.3f}. It is registered as version {crowned.version}"
        f" of `{CHAMPION_URI}`.",
        "",
    ]
    if crowned.openings > 1:
        lines += [
            f"**Careful.** The test split has been opened {crowned.openings} times for this study:"
            " its score is no longer a fresh one.",
            "",
        ]
    lines += [
        f"**Careful.** It recognised no image of {name} on the test split.\n"
        for name in crowned.scores.never_found()
    ]
    lines += [f"**Left out.** {reason}\n" for reason in left_out]
    lines += [f"**Data.** {data}.", "", f"**Time.** {minutes:.1f} minutes.", ""]
    lines += [f"**Leaderboard**, validation split, n = {best.n}:", ""]
    return "\n".join(lines) + "\n" + _markdown(table.head(SHOWN_IN_DESCRIPTION))


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Return the leaderboard as people read it: text cells, an interval beside its score."""
    settings = [
        name for name in table.columns if name not in NOT_SETTINGS and table[name].notna().any()
    ]
    rows = []
    for row in table.to_dict("records"):
        scored = not pd.isna(row["val_accuracy"])
        interval = f"{row['val_accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        rows.append(
            {
                "rank": str(row["rank"]),
                "trial": str(row["trial"]),
                "accuracy [95 % interval]": interval if scored else "-",
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


def _markdown(table: pd.DataFrame) -> str:
    shown = compact(table)
    rows = [list(map(str, shown.columns)), ["---"] * len(shown.columns)]
    rows += [list(row) for row in shown.to_numpy(object)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
