"""What a dead driver left in the outbox: ended trials are told, others go on or are given up."""

from __future__ import annotations

from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.engines.engine import Engine
from mineralsweep.search.state import State
from mineralsweep.tracking import End, Entry, Outbox, now_ms
from mineralsweep.training import checkpoint

KNOWN_OTHERWISE = "the search knows another result of this trial"


def recover(outbox: Outbox, engine: Engine, state: State) -> None:
    """Tell of the trials that ended before their driver could; call it before `ask`."""
    known = {record.number: record for record in engine.records()}
    for entry in outbox.left():
        if not entry.ended or (told := entry.end().record) is None:
            continue
        record = TrialRecord.from_dict(told)
        if record.number == BASELINE:
            state.baseline = told
            state.save()
        elif record.number not in known:
            engine.tell(record)
        elif record != known[record.number]:
            give_up(entry, KNOWN_OTHERWISE)


def give_up(entry: Entry, reason: str) -> None:
    """End an attempt that did not end by itself; its trial is not told, and so comes back."""
    entry.conclude(End("FAILED", reason, now_ms()))


def can_go_on(entry: Entry) -> bool:
    """Say whether an attempt that was interrupted has a checkpoint to go on from."""
    return not entry.ended and checkpoint.exists(entry.checkpoint)
