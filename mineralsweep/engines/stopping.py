"""The rules that end a sweep before its trials are used up."""

from __future__ import annotations

from mineralsweep.config import Stop
from mineralsweep.core.record import TrialRecord, champion


def reached(stop: Stop, objective: str, records: list[TrialRecord]) -> str | None:
    """Return which rule the ended trials fulfil, in words; None while there is none.

    Args:
        stop: the rules.
        objective: accuracy or loss, of the validation split.
        records: every ended trial of the study, by number.
    """
    best = champion(records, objective)
    rules = (
        _goal(stop.goal, objective, best),
        _no_progress(stop.no_progress, objective, best, records),
        _cost(stop.cost, records),
    )
    return next((rule for rule in rules if rule), None)


def _goal(goal: float | None, objective: str, best: TrialRecord | None) -> str | None:
    if goal is None or best is None or best.value is None:
        return None
    if best.value < goal if objective == "accuracy" else best.value > goal:
        return None
    return f"goal reached: trial {best.number} has val_{objective} {best.value:.3f}, goal {goal:g}"


def _no_progress(
    limit: int | None, objective: str, best: TrialRecord | None, records: list[TrialRecord]
) -> str | None:
    if limit is None or best is None or best.value is None:
        return None
    since = sum(record.number > best.number for record in records)
    if since < limit:
        return None
    return (
        f"no progress: {since} trials since trial {best.number}, val_{objective} {best.value:.3f}"
    )


def _cost(limit: float | None, records: list[TrialRecord]) -> str | None:
    spent = sum(record.seconds for record in records)
    if limit is None or spent < limit:
        return None
    return f"cost reached: {spent:.0f} s of training, limit {limit:g} s"
