"""A single training: a study of one point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mineralsweep.app.checks import Say
from mineralsweep.app.session import Request, opened
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines.engine import Proposal
from mineralsweep.errors import RunError, SweepFailed

if TYPE_CHECKING:
    from mineralsweep.search.listener import Listener
    from mineralsweep.tracking import Store


@dataclass(frozen=True)
class TrainOutcome:
    """What a single training left: its record, with its run and its model, and where they are."""

    study: str
    store: Store
    record: TrialRecord


def train(request: Request, listener: Listener, say: Say) -> TrainOutcome:
    """Train one model: the only point of a space of constants.

    Args:
        request: of the kind "training".
        listener: is told of the training.
        say: is told of the rest, a line at a time.

    Raises:
        InputError: the data or the weights can't be used; nothing was run.
        RunError: the training failed; its run says why.
    """
    space = request.sweep.space
    point = space.propose(lambda name, entry: entry.bounds()[0])
    with opened(request, listener, say, lambda _: [Proposal(0, point)]) as session:
        try:
            session.study().run()
        except SweepFailed:
            [record] = session.run.located(session.engine.records())
            raise RunError(f"training failed: {record.reason}; see run {record.run_id}") from None
        [record] = session.run.located(session.engine.records())
        session.run.end("FINISHED")  # also where it was trained before, or in a second attempt
        return TrainOutcome(session.state.study, session.store, record)
