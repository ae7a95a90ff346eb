"""A study's result in words: its description in MLflow, and how it compares with the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from mineralsweep.core import objective as objectives
from mineralsweep.core.objective import Comparison
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.report.leaderboard import compact, judged_on, leaderboard, markdown
from mineralsweep.report.warnings import is_significant

if TYPE_CHECKING:
    from mineralsweep.registry import Crowned
    from mineralsweep.report.evidence import Evidence

Standing = Literal["true", "not shown", "is the baseline"]
SHOWN = 10
"""Rows of the leaderboard in a description."""


def description(
    evidence: Evidence, minutes: float, beside: Sequence[str] = (), warnings: Sequence[str] = ()
) -> str:
    """Return the Markdown that stands on top of the study's page in MLflow.

    Args:
        evidence: the finished study.
        minutes: that it took.
        beside: the comparison with the baseline; see `verdict`.
        warnings: headlines of the report's warnings.
    """
    sweep, crowned = evidence.sweep, evidence.crowned
    table = leaderboard(list(evidence.lines), sweep)
    lines = [
        f"**Question.** {' '.join(sweep.question.split())}",
        f"**Answer.** {answer(evidence)} It is version {crowned.version} of `{sweep.gate.model}`.",
        *([f"**The baseline.** {' '.join(beside)}"] if beside else []),
        f"**The gate.** {crowned.decision.sentence().capitalize()}. {crowned.decision.why}",
        *(f"**Careful.** {warning}" for warning in warnings),
        "**Report.** `report.html`, among this run's artifacts.",
        *(f"**Left out.** {reason}" for reason in evidence.left_out),
        f"**Data.** {evidence.dataset.describe()}.",
        f"**Time.** {minutes:.1f} minutes.",
        f"**Leaderboard** on {judged_on([crowned.record])}:",
        markdown(compact(table.head(SHOWN))),
    ]
    return "\n\n".join(lines)


def answer(evidence: Evidence) -> str:
    """Say which trial was best or chosen, by what, and what it reached on the test split."""
    crowned, objective = evidence.crowned, evidence.sweep.objective
    best, test = crowned.record, crowned.scores
    was = "was chosen for its costs" if evidence.sweep.costs else "was best"
    refit = f" Then it was {crowned.refit}." if crowned.refit else ""
    return (
        f"{best.title().capitalize()} ({best.params['architecture']}) {was} on"
        f" {judged_on([best])}: {scores_of(best, objective)}.{refit} On the test"
        f" split, opened after the choice: accuracy {test.accuracy}, {_beside(crowned, objective)}."
    )


def _beside(crowned: Crowned, objective: str) -> str:
    """Return the test split's value of the objective and the macro F1."""
    return ", ".join(
        f"{words(name)} {objectives.get(name).shown(crowned.scores)}"
        for name in dict.fromkeys((objective, "macro_f1"))
        if name != "accuracy"
    )


def words(objective: str) -> str:
    """Return an objective's name as people write it."""
    return objective.replace("_", " ")


def scores_of(record: TrialRecord, objective: str) -> str:
    """Return a trial's value with its interval, and accuracy where that is not the value."""
    scores = record.scores(objective)
    shown = dict.fromkeys((objective, "accuracy"))
    return ", ".join(f"{words(name)} {scores[name]}" for name in shown)


def standing(
    best: TrialRecord, baseline: TrialRecord, paired: Comparison | None, objective: str
) -> Standing:
    """Say whether the champion beats the baseline: true only where the difference is significant.

    Args:
        best: the champion, which is the baseline where that is better than every trial.
        baseline: colour_texture with its defaults, on the same images.
        paired: the baseline as the champion, the best trial as the challenger, on the images that
            the trials were judged on; None where their predictions can't be read.
        objective: what trials are compared by.
    """
    if best.number == BASELINE:
        return "is the baseline"
    better = objectives.get(objective).is_better(best.value, baseline.value)
    return "true" if better and is_significant(paired) else "not shown"


def verdict(
    best: TrialRecord, baseline: TrialRecord, paired: Comparison | None, objective: str
) -> list[str]:
    """Return sentences: how the champion compares with the baseline.

    Args:
        best: see `standing`.
        baseline: see `standing`.
        paired: see `standing`.
        objective: see `standing`.
    """
    theirs = scores_of(baseline, objective)
    stands = standing(best, baseline, paired, objective)
    if stands == "is the baseline":
        return [f"No trial beats the baseline, which is the best model itself: {theirs}."]
    better = objectives.get(objective).is_better(best.value, baseline.value)
    how = "scores better than" if better else "scores no better than"
    test = "Their predictions could not be compared."
    if paired is not None:
        mark = "significant" if is_significant(paired) else "not significant"
        test = f"On the same images the difference is {mark}: {paired}."
    return [
        f"Trial {best.number} {how} the baseline: {scores_of(best, objective)} against {theirs}.",
        test,
    ]
