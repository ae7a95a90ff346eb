"""The contract of an engine: it proposes trials, watches them, and remembers how they ended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord


@dataclass(frozen=True)
class Proposal:
    """A trial to run. Numbers count from 0 in a study.

    Attributes:
        epochs: how many it trains at most, those of the trial that it continues included; None:
            the sweep's.
        continues: the number of the trial whose last weights it starts from; None: from new ones.
        keeps_state: whether another trial may continue this one.
        division: of the images, as `data.dataset.Division` is named; "": the study's own.
        seed: of the training; None: the sweep's.
    """

    number: int
    params: Params
    epochs: int | None = None
    continues: int | None = None
    keeps_state: bool = False
    division: str = ""
    seed: int | None = None


def proposal_seed(seed: int, number: int) -> int:
    """Return the seed of one proposal's draws, in [0, 2**32)."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


class Engine(Protocol):
    """Search over a space, with a memory of its own on disk or in a database.

    An engine is opened on a study's name: a new study, or one that exists. One driver has it at a
    time: what was asked for and not told belongs to a driver that died, and is asked for again.
    """

    name: str

    def ask(self) -> Proposal | None:
        """Propose the next trial; None while there is none.

        Trials that a dead driver left come first, by number, with the parameters that they had.
        In a finite space no combination is proposed twice, and None means that all were.
        """

    def report(self, number: int, step: int, value: float) -> str | None:
        """Take a running trial's objective after a step (from 1); answer why to stop it, or None.

        Steps are epochs, or with folds the numbers of the folds, in any order. A step that was
        reported before, by an earlier attempt at the trial, is not judged again.
        """

    def tell(self, record: TrialRecord) -> None:
        """End a trial. A failed one gets no value: failure is never a score.

        A trial that a dead driver left may be told without being asked for again. Telling a trial
        that has ended changes nothing.
        """

    def records(self) -> list[TrialRecord]:
        """Return every ended trial of the study, earlier sessions' included, by number."""

    def learn(self, records: Sequence[TrialRecord]) -> None:
        """Take another study's complete trials as knowledge for the proposals; once, before `ask`.

        They fit the space. They have no number here, count in no budget, and are no `records`.
        """
