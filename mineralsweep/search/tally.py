"""What a study has found so far, and whether it wants more."""

from __future__ import annotations

import time

from mineralsweep.config import Sweep
from mineralsweep.core.record import TrialRecord, champion
from mineralsweep.engines.stopping import reached
from mineralsweep.tracking import Best


class Tally:
    """Counts ended trials against the budget and the stop rules.

    Args:
        sweep: the budget, the stop rules, the objective.
        known: the trials that have ended before.
    """

    def __init__(self, sweep: Sweep, known: list[TrialRecord]) -> None:
        self._sweep = sweep
        self._best = champion(known, sweep.objective)
        self._heard = {record.number for record in known}
        self._deadline = time.monotonic() + (sweep.budget.timeout or float("inf"))
        self.told = len(known)
        self.failures = 0
        """In a row, up to now."""
        self.gave_up = False
        self.exhausted = False
        """The engine has nothing left to propose."""
        self.stopped = reached(sweep.stop, sweep.objective, known)
        """Which stop rule has been reached, in words; None: none."""

    def count(self, record: TrialRecord, ended: list[TrialRecord]) -> None:
        """Count a trial that has ended; `ended`: all that have, this one included."""
        self._heard.add(record.number)
        self.told += 1
        self._best = self._better(record)
        self.failures = self.failures + 1 if record.state == "FAILED" else 0
        if self.failures >= self._sweep.faults.max_consecutive_failures:
            self.gave_up = True
        if not self.stopped:
            self.stopped = reached(self._sweep.stop, self._sweep.objective, ended)

    def unheard(self, ended: list[TrialRecord]) -> list[TrialRecord]:
        """Return those of the ended trials that were not counted."""
        return [record for record in ended if record.number not in self._heard]

    def best_with(self, record: TrialRecord) -> Best | None:
        """Return what the best trial will be once this one is counted."""
        best = self._better(record)
        if best is None or best.value is None:
            return None
        return Best(self.told + 1, best.value, self._sweep.metric())

    def _better(self, record: TrialRecord) -> TrialRecord | None:
        known = [one for one in (self._best, record) if one is not None]
        return champion(known, self._sweep.objective)

    def time_is_up(self) -> bool:
        """Say whether the budget's time has passed."""
        return time.monotonic() > self._deadline

    def is_over(self) -> bool:
        """Say whether no further trial may start, however many are left."""
        return bool(self.stopped) or self.gave_up or self.time_is_up()

    def wants_more(self, taken: int) -> bool:
        """Say whether another trial may start; `taken`: those that have ended or run."""
        return not (self.exhausted or self.is_over()) and taken < self._sweep.budget.trials

    def why_it_ended(self) -> str:
        """Return which rule ended the study, once it has ended."""
        if self.stopped:
            return self.stopped
        if self.exhausted:
            return "the engine has no further trial to propose"
        if self.told < self._sweep.budget.trials and self.time_is_up():
            return f"time is up: {self._sweep.budget.timeout:g} s"
        return f"all {self._sweep.budget.trials} trials are done"
