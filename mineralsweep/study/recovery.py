"""What a dead driver left in the outbox: ended trials are told, others go on or are given up."""

from __future__ import annotations

from mineralsweep.engines.engine import Engine, TrialRecord
from mineralsweep.tracking import End, Entry, Outbox, now_ms
from mineralsweep.training import checkpoint

INTERRUPTED = "its driver ended before the trial did"


def recover(outbox: Outbox, engine: Engine) -> None:
    """Tell the engine of the trials that ended before their driver could; call it before `ask`."""
    known = {record.number for record in engine.records()}
    for entry in outbox.left():
        if not entry.ended:
            continue
        record = entry.end().record
        if record is not None and record["number"] not in known:
            engine.tell(TrialRecord.from_dict(record))


def give_up(entry: Entry, reason: str) -> None:
    """End an attempt that did not end by itself; its trial is not told, and so comes back."""
    entry.conclude(End("FAILED", reason, now_ms()))


def can_go_on(entry: Entry) -> bool:
    """Say whether an attempt that was interrupted has a checkpoint to go on from."""
    return not entry.ended and checkpoint.exists(entry.checkpoint)
