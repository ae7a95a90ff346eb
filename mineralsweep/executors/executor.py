"""The contract of an executor: it runs trials somewhere and says what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from mineralsweep.core.trial import EpochReport, FoldResult, TrialResult, TrialSpec


@dataclass(frozen=True)
class Epoch:
    """A trial, or one of its folds (from 1), ended an epoch and waits for `answer`."""

    number: int
    report: EpochReport
    fold: int | None = None


@dataclass(frozen=True)
class FoldEnded:
    """A fold of a trial ended; the trial begins no other before its `answer`."""

    number: int
    fold: FoldResult


@dataclass(frozen=True)
class Doing:
    """A trial does something that takes a while and is no epoch. Wants no answer."""

    number: int
    words: str


@dataclass(frozen=True)
class Finished:
    """A trial ran to its end, or to where it was told to stop."""

    number: int
    result: TrialResult


Fault = Literal["error", "crash", "memory", "timeout", "disk"]
"""What went wrong: the trial raised, its process died, memory ran out, it took too long, or the
disk took no more.

A crash or a lack of memory may pass. An exception would come again, and so would a timeout. A full
disk is no fault of the trial's, and would meet the next one too.
"""


@dataclass(frozen=True)
class Failed:
    """A trial failed. `log` is what the worker printed last."""

    number: int
    reason: str
    log: str = ""
    fault: Fault = "error"


Event = Epoch | FoldEnded | Doing | Finished | Failed


@dataclass(frozen=True)
class Slots:
    """Where trials run.

    Attributes:
        count: trials that run at a time, at most, as it is now.
        words: what people are told of it; "": processes of this machine.
    """

    count: int
    words: str = ""

    @property
    def here(self) -> bool:
        """Whether trials run on this machine, and no other."""
        return not self.words


class Executor(Protocol):
    """Runs `run_trial` on some workers. Used from one thread."""

    def slots(self) -> Slots:
        """Return where trials run now; on a cluster that changes."""

    def free(self) -> int:
        """Return how many trials may be submitted now.

        Where no trial runs, and none may be submitted, `wait` waits for a place.
        """

    def submit(self, spec: TrialSpec) -> None:
        """Start a trial.

        Raises:
            RuntimeError: no worker is free.
        """

    def wait(self, timeout: float) -> list[Event]:
        """Return what happened since the last call; wait up to `timeout` seconds for something."""

    def answer(self, number: int, stop_reason: str | None, fold: int | None = None) -> None:
        """Answer a trial's `Epoch` or `FoldEnded`: None to go on, or the reason to stop.

        Args:
            number: of the trial.
            stop_reason: ends the training there. After a fold has ended, it ends the whole trial:
                no other fold begins, and those that run are stopped at their next epoch.
            fold: as the event has it.
        """

    def close(self) -> None:
        """End every worker at once; trials that still run are lost. May be called twice."""
