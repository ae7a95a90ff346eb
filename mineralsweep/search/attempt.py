"""An attempt at a trial that a worker has now."""

from __future__ import annotations

import time

from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.trial import TrialSpec
from mineralsweep.tracking import Courier, Entry, Point, SystemMetrics, now_ms


class Attempt:
    """An attempt at a trial that a worker has now.

    Args:
        spec: what the worker was given.
        params: what the engine proposed.
        entry: takes what happens.
        tries: which try of the trial it is in this session, from 1.
        courier: brings it on.
        here: whether it runs on this machine, whose load is then measured.
    """

    def __init__(
        self, spec: TrialSpec, params: Params, entry: Entry, tries: int, courier: Courier,
        here: bool = True,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.params = params
        self.entry = entry
        self.tries = tries
        self.goes_on = False
        """Whether it failed, and is to go on from its checkpoint, as the same attempt."""
        self._courier = courier
        self._started = time.monotonic()
        self._system = SystemMetrics(self._write, entry.samples()) if here else None

    def finish(self) -> None:
        """Measure no more."""
        if self._system is not None:
            self._system.finish()

    def seconds(self) -> float:
        """Return how long it has been running."""
        return time.monotonic() - self._started

    def write(self, metrics: dict[str, float], step: int) -> None:
        """Write metrics, unless they stand there already: this epoch was trained before."""
        judged = {name: value for name, value in metrics.items() if name != "epoch_seconds"}
        if not self.entry.holds(judged, step):
            self._write(metrics, step)

    def _write(self, metrics: dict[str, float], step: int) -> None:
        self.entry.add(Point(metrics, step, now_ms()))
        self._courier.bring(self.entry)
