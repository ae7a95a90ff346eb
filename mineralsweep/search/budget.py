"""What a search may still spend, and which rule ends it."""

from __future__ import annotations

import time

from mineralsweep.config import Stop, Sweep
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import BASELINE, TrialRecord, champion
from mineralsweep.tracking import Best


class Budget:
    """Counts ended trials against the sweep's budget and its stop rules.

    The baseline counts in nothing.

    Args:
        sweep: the budget, the stop rules, the objective.
        known: the trials that ended in earlier sessions.
    """

    def __init__(self, sweep: Sweep, known: list[TrialRecord]) -> None:
        self._sweep = sweep
        self._records = list(known)
        self._deadline = time.monotonic() + (sweep.budget.timeout or float("inf"))
        self.failures = 0
        """In a row, up to now."""
        self.exhausted = False
        """The engine has nothing left to propose."""
        self.rule = reached(sweep.stop, sweep.objective, known)
        """Which stop rule has been reached, in words; None: none."""

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return len(self._records)

    @property
    def gave_up(self) -> bool:
        """Whether too many trials failed in a row."""
        return self.failures >= self._sweep.faults.max_consecutive_failures

    def count(self, record: TrialRecord) -> None:
        """Count a trial that has ended."""
        if record.number == BASELINE:
            return
        self._records.append(record)
        self.failures = self.failures + 1 if record.state == "FAILED" else 0
        self.rule = self.rule or reached(self._sweep.stop, self._sweep.objective, self._records)

    def best_with(self, record: TrialRecord) -> Best | None:
        """Return the best value once this trial is counted; None without one."""
        best = champion([*self._records, record], self._sweep.objective)
        if record.number == BASELINE or best is None or best.value is None:
            return None
        return Best(self.ended + 1, best.value, self._sweep.metric())

    def time_is_up(self) -> bool:
        """Say whether the budget's time has passed."""
        return time.monotonic() > self._deadline

    def is_over(self) -> bool:
        """Say whether no further trial may start, however many are left."""
        return bool(self.rule) or self.gave_up or self.time_is_up()

    def wants_more(self, running: int) -> bool:
        """Say whether another trial may start beside those that run."""
        left = self._sweep.budget.trials - self.ended - running
        return left > 0 and not (self.exhausted or self.is_over())

    def why_it_ended(self) -> str:
        """Return which rule ended the search, once it has ended."""
        if self.rule:
            return self.rule
        if self.exhausted:
            return f"every combination of the space was tried: {self.ended} trials"
        if self.ended < self._sweep.budget.trials and self.time_is_up():
            return f"time is up: {self._sweep.budget.timeout:g} s"
        return f"all {self._sweep.budget.trials} trials are done"


def reached(stop: Stop, objective: str, records: list[TrialRecord]) -> str | None:
    """Return which rule the ended trials fulfil, in words; None while there is none.

    Args:
        stop: the rules.
        objective: what trials are compared by.
        records: every ended trial of the study.
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
    compared = objectives.get(objective)
    if compared.is_better(goal, best.value):
        return None
    return (
        f"goal reached: trial {best.number} has {compared.metric} {best.value:.3f}, goal {goal:g}"
    )


def _no_progress(
    limit: int | None, objective: str, best: TrialRecord | None, records: list[TrialRecord]
) -> str | None:
    if limit is None or best is None or best.value is None:
        return None
    since = sum(record.number > best.number for record in records)
    if since < limit:
        return None
    metric = objectives.get(objective).metric
    return f"no progress: {since} trials since trial {best.number}, {metric} {best.value:.3f}"


def _cost(limit: float | None, records: list[TrialRecord]) -> str | None:
    spent = sum(record.seconds for record in records)
    if limit is None or spent < limit:
        return None
    return f"cost reached: {spent:.0f} s of training, limit {limit:g} s"
