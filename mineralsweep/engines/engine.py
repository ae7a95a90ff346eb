"""The contract of an engine: it proposes trials, watches them, and remembers how they ended."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from mineralsweep import machine
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord


@dataclass(frozen=True)
class Proposal:
    """A trial to run. Numbers count from 0 in a study.

    Attributes:
        epochs: how many it trains at most, those of the trial that it continues included; None:
            the sweep's.
        continues: the number of the trial whose last weights it starts from; None: from new ones.
    """

    number: int
    params: Params
    epochs: int | None = None
    continues: int | None = None


def driver_id() -> str:
    """Return a name for the process that drives a study, never given twice: host:pid:time."""
    return f"{machine.name()}:{os.getpid()}:{time.time_ns()}"


def proposal_seed(seed: int, number: int) -> int:
    """Return the seed of one proposal's draws, in [0, 2**32)."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


class Engine(Protocol):
    """Search over a space, with a memory of its own on disk or in a database.

    An engine is opened on a study's name: a new one, or one that exists. A study that exists
    must ask the same question; see `fingerprint` of the constructors.

    What a proposal draws follows from the sweep's seed, its number, and what was told before it
    was asked for; from nothing else. So a search with one worker that is killed at any moment and
    opened again asks for the same trials, under the same numbers, as one that ran through.

    A trial that was asked for and not told belongs to the driver that asked, whose id the engine
    keeps with it. The constructors take `is_dead(id)`; by default every driver but the own one is
    dead, which the lock on a study's folder makes true.
    """

    name: str

    def ask(self) -> Proposal | None:
        """Propose the next trial; None when every trial of a finite space was proposed.

        Trials of dead drivers come first, by number, with the parameters that they had.
        """

    def report(self, number: int, epoch: int, value: float) -> str | None:
        """Take a running trial's metric after an epoch (from 1); answer why to stop it, or None.

        Epochs count up from 1 in a trial. When a failed trial is tried again, they begin again,
        and the trial is not judged until it is past its first try. When a trial of a dead driver
        is trained again, a value takes the place of the one reported before.

        With folds, after a fold (from 1), with that fold's number; the order differs from trial to
        trial.
        """

    def tell(self, record: TrialRecord) -> None:
        """End a trial. A failed one gets no value: failure is never a score.

        A trial of a dead driver may be told without being asked for again. Telling a trial that
        has ended changes nothing.
        """

    def records(self) -> list[TrialRecord]:
        """Return every ended trial of the study, earlier sessions' included, by number."""

    def taken(self) -> int:
        """Count the trials that have ended or are at work, in every driver.

        Those that the next `ask` would give back are not among them.
        """

    def reopen(self, numbers: Iterable[int]) -> None:
        """Have ended trials run again: nobody has their models any more.

        The next `ask`s give them, with the parameters that they had; until they are told again they
        are in no `records`, and `taken` leaves out those that were not asked for. One that a
        pruner stopped is stopped where it was. What is told takes the place of the earlier record,
        but for a failure. A process that ends before leaves the earlier records as they were.
        """

    def owns(self, number: int) -> bool:
        """Say whether a trial is this driver's, or a dead one's that nobody has taken up.

        A driver that was silent for long may find its trial taken up by another.
        """

    def at_work(self) -> list[int]:
        """Return the numbers of the trials that have not ended and are not this driver's."""

    def learn(self, records: list[TrialRecord]) -> None:
        """Take another study's complete trials as knowledge for the proposals; once, before `ask`.

        They fit the space. They have no number here, count in no budget, and are no `records`.
        """

    def notes(self) -> dict[str, str]:
        """Return the study's own notes (such as its parent run), as they were set."""

    def set_note(self, key: str, value: str) -> None:
        """Remember a note with the study."""

    def plots(self) -> dict[str, str]:
        """Return the library's own plots of the study: title -> an HTML fragment."""
