"""A single training: a study of one point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mineralsweep.app.checks import Say
from mineralsweep.app.session import Request, opened
from mineralsweep.config import Override, Sweep, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines.engine import Proposal
from mineralsweep.errors import ConfigError, RunError, SweepFailed
from mineralsweep.models.architecture import Architecture

if TYPE_CHECKING:
    from mineralsweep.search.listener import Listener
    from mineralsweep.tracking import Store


@dataclass(frozen=True)
class TrainOutcome:
    """What a single training left: its record, with its run and its model, and where they are."""

    study: str
    store: Store
    record: TrialRecord


def of_one_point(architecture: Architecture, laid: Sequence[Override]) -> Sweep:
    """Return a sweep of one point: an architecture's own settings, with others laid over them.

    Raises:
        ConfigError: a value breaks a rule, or one is to be searched.
    """
    raw = {
        "question": f"How good is {architecture.name}?",
        "data": {"split": architecture.split},
        "space": {"architecture": architecture.name},
        "budget": {"trials": 1, "epochs": architecture.epochs},
    }
    one = build(raw, "train", laid)
    for name, entry in one.space.searched().items():
        raise ConfigError(
            f"space.{name}: must be one value to train with, got {entry.describe()};"
            " to search it, write a sweep file"
        )
    return one


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
