"""What a driver works with while its study is open."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app import baseline
from mineralsweep.app.checks import Say
from mineralsweep.config import Stop, Sweep
from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.drivers import Alone, Drivers
from mineralsweep.engines.engine import Engine
from mineralsweep.executors import Executor

if TYPE_CHECKING:
    from mineralsweep.search import Listener, Study
    from mineralsweep.tracking import Outbox, Store, SweepRun


@dataclass(frozen=True)
class Session:
    """An open study, and all that runs it, keeps it and watches it.

    Attributes:
        study: its name.
        sweep: the question, without what this machine can't run.
        folder: this driver's own, on disk.
        outbox: within `folder`.
        run: the parent run, in `store`.
        left_out: why architectures are not searched, a sentence each.
        started: when this driver began, on the monotonic clock.
    """

    study: str
    sweep: Sweep
    dataset: Dataset
    engine: Engine
    executor: Executor
    drivers: Drivers
    store: Store
    run: SweepRun
    folder: Path
    outbox: Outbox
    left_out: tuple[str, ...]
    listener: Listener
    say: Say
    started: float = field(default_factory=time.monotonic)

    def minutes(self) -> float:
        """Return how long this driver has been at work."""
        return (time.monotonic() - self.started) / 60

    def baseline(self) -> TrialRecord | None:
        """Return the study's baseline, fitted now if nobody has done so; see `baseline.ensure`."""
        return baseline.ensure(
            self.sweep,
            self.dataset,
            self.engine,
            self.executor,
            self.run,
            self.folder / "baseline",
            self.say,
        )

    def search(self) -> Study:
        """Return the study's loop, over all that its budget allows."""
        return self._loop(self.sweep, self.drivers)

    def bring_to_an_end(self, again: Sequence[int] = ()) -> None:
        """Deliver what the outbox holds, and run these ended trials again; begin nothing new.

        What other drivers do meanwhile is not counted, and not waited for.
        """
        ended = max(1, len(self.engine.records()))
        self.engine.reopen(again)
        budget = self.sweep.budget.model_copy(update={"trials": ended, "timeout": None})
        faults = self.sweep.faults.model_copy(update={"max_consecutive_failures": ended})
        changes = {"budget": budget, "faults": faults, "stop": Stop()}
        self._loop(self.sweep.model_copy(update=changes), Alone()).run()

    def _loop(self, sweep: Sweep, drivers: Drivers) -> Study:
        from mineralsweep.search import Study

        return Study(
            sweep,
            self.dataset,
            self.engine,
            self.executor,
            self.run,
            self.outbox.folder,
            self.listener,
            drivers,
        )
