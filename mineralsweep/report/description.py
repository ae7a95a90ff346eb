"""What stands on top of a sweep's page in MLflow."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mineralsweep.config import Sweep
from mineralsweep.core.record import TrialRecord
from mineralsweep.registry import Crowned
from mineralsweep.report.leaderboard import markdown

SHOWN_IN_DESCRIPTION = 10


def description(
    sweep: Sweep,
    table: pd.DataFrame,
    crowned: Crowned,
    data: str,
    left_out: Sequence[str],
    warnings: Sequence[str],
    minutes: float,
    beside: Sequence[str] = (),
) -> str:
    """Return the Markdown that stands on top of the sweep's page in MLflow.

    Args:
        sweep: the question.
        table: the leaderboard.
        crowned: its best trial, tested.
        data: the data set in a line.
        left_out: architectures that could not be tried, and why.
        minutes: that it took.
        beside: how the best trial stands to the baseline; see `baseline.verdict`.
    """
    best = crowned.record
    where = " on the validation split" if best.folds == 1 else ""
    lines = [
        f"**Question.** {' '.join(sweep.question.split())}",
        "",
        f"**Answer.** {best.title().capitalize()} ({best.params['architecture']}) was best"
        f"{where}: accuracy {best.interval()}. On the test split, opened after the"
        f" choice, it reached **{crowned.scores.accuracy}** (95 % Wilson interval), macro-F1"
        f" {crowned.scores.macro_f1:.3f}. It is registered as version {crowned.version}"
        f" of `{sweep.gate.model}`.",
        "",
        *([f"**The baseline.** {' '.join(beside)}", ""] if beside else []),
        f"**The gate.** {crowned.decision.sentence().capitalize()}. {crowned.decision.why}",
        "",
    ]
    lines += [f"**Careful.** {warning}\n" for warning in warnings]
    lines += ["**Report.** `report.html`, among this run's artifacts.", ""]
    lines += [f"**Left out.** {reason}\n" for reason in left_out]
    lines += [f"**Data.** {data}.", "", f"**Time.** {minutes:.1f} minutes.", ""]
    lines += [f"**Leaderboard**, {_judged_on(best)}, n = {best.n}:", ""]
    return "\n".join(lines) + "\n" + markdown(table.head(SHOWN_IN_DESCRIPTION))


def _judged_on(best: TrialRecord) -> str:
    return (
        "validation split" if best.folds == 1 else f"{best.folds} folds of all but the test split"
    )
