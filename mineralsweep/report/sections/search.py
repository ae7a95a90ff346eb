"""What the search found: leaderboard, history, importances, slices, learning curves."""

from __future__ import annotations

import logging
from typing import Any

from mineralsweep.core.record import BASELINE
from mineralsweep.report import charts
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.findings import warnings_of
from mineralsweep.report.importances import importances
from mineralsweep.report.leaderboard import compact
from mineralsweep.report.leaderboard import leaderboard as full_table
from mineralsweep.report.svg import inline

SHOWN = 50
CURVES_OF = 3


def warnings(evidence: Evidence) -> dict[str, Any]:
    """Return what the reader must be told first."""
    return {"warnings": warnings_of(evidence)}


def leaderboard(evidence: Evidence) -> dict[str, Any]:
    """Return the trials, best first."""
    table = full_table(list(evidence.lines), evidence.sweep)
    shown = compact(table.head(SHOWN))
    best = "baseline" if evidence.best.number == BASELINE else str(evidence.best.number)
    trials = list(shown["trial"])
    return {
        "champion": trials.index(best) if best in trials else None,
        "columns": [str(name) for name in shown.columns],
        "rows": shown.to_numpy(object).tolist(),
        "left": max(0, len(table) - SHOWN),
        "n": evidence.best.n,
        "part": evidence.part,
        "left_out": evidence.left_out,
        "failures": [
            (record.number, record.reason)
            for record in evidence.records
            if record.state == "FAILED"
        ],
    }


def history(evidence: Evidence) -> dict[str, Any]:
    """Return the values in the order of the trials."""
    figure = charts.history(evidence.records, evidence.sweep.objective)
    best = evidence.best
    alt = (
        f"Validation {evidence.sweep.objective} of {len(evidence.records)} trials in their order;"
        f" the best is trial {best.number} with {best.interval()}."
    )
    return {"figure": inline(figure, "history", alt)}


def importance(evidence: Evidence) -> dict[str, Any]:
    """Return how much each setting mattered, by two evaluators."""
    complete = len(evidence.complete)
    try:
        found = importances(evidence.records, evidence.sweep)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        return {"why_not": str(error), "complete": complete}
    figures = []
    for place, (title, shares) in enumerate(found.items()):
        words = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        if shares:
            drawn = inline(charts.importance(shares), f"importance{place}", f"{title}: {words}")
            figures.append((title, drawn))
    return {"figures": figures, "complete": complete}


def slices(evidence: Evidence) -> dict[str, Any]:
    """Return one picture a setting that was searched."""
    figures = []
    objective = evidence.sweep.objective
    architectures = evidence.sweep.space.architectures()
    for place, (name, entry) in enumerate(evidence.sweep.space.searched().items()):
        if not any(
            name in record.params and record.value is not None for record in evidence.records
        ):
            continue
        figure = charts.slices(
            name, entry, evidence.records, objective, evidence.best, architectures
        )
        value = evidence.best.params.get(name, "not a setting of it")
        alt = f"Validation {objective} over {name}; the best trial has {value}."
        figures.append(inline(figure, f"slice{place}", alt))
    return {"figures": figures}


def curves(evidence: Evidence) -> dict[str, Any]:
    """Return the best trials' loss and accuracy, epoch by epoch."""
    trials = []
    for record in evidence.complete[:CURVES_OF]:
        found = evidence.curves(record.number)
        if not any(found.values()):
            logging.getLogger(__name__).info("trial %d has no curves", record.number)
            continue
        figures, lasts = [], {}
        for metric in ("loss", "accuracy"):
            train, validation = found[f"train_{metric}"], found[f"val_{metric}"]
            lasts[metric] = train[-1], validation[-1]
            if len(train) == 1:  # an estimator's, or a single epoch's: a point is no curve
                continue
            figure = charts.learning_curve(metric, train, validation, record.best_epoch)
            last = f"{train[-1]:.3f} in training, {validation[-1]:.3f} in validation"
            alt = f"Trial {record.number}, {metric} over {len(train)} epochs; last: {last}."
            figures.append(inline(figure, f"curve{record.number}{metric}", alt))
        shown = {"interval": record.interval(), "figures": figures, "lasts": lasts}
        trials.append({"record": record, **shown})
    return {"trials": trials, "folds": evidence.sweep.folds > 1}
