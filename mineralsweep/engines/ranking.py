"""Which trial is better: one order for the leaderboard, the progress and the champion."""

from __future__ import annotations

from mineralsweep.engines.engine import TrialRecord


def ranked(records: list[TrialRecord], objective: str) -> list[TrialRecord]:
    """Order records best first: complete ones by value, ties by loss; then pruned; then failed."""
    sign = -1.0 if objective == "accuracy" else 1.0
    order = ("COMPLETE", "PRUNED", "FAILED")

    def key(record: TrialRecord) -> tuple[int, float, float, int]:
        value = 0.0 if record.value is None else sign * record.value
        return order.index(record.state), value, record.loss or 0.0, record.number

    return sorted(records, key=key)


def champion(records: list[TrialRecord], objective: str) -> TrialRecord | None:
    """Return the best complete trial by validation alone, None without one."""
    best = ranked(records, objective)
    return best[0] if best and best[0].state == "COMPLETE" else None


def beats(record: TrialRecord, other: TrialRecord, objective: str) -> bool:
    """Say whether a record's value is better than another's; equal is not better."""
    if record.value is None or other.value is None:
        return False
    return record.value > other.value if objective == "accuracy" else record.value < other.value
