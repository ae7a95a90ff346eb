"""Several drivers on one study: who waits for whom, and what becomes of what a dead one left."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app.checks import Say, study_folder, study_locked
from mineralsweep.app.session import Session
from mineralsweep.engines.drivers import Drivers
from mineralsweep.engines.engine import Engine
from mineralsweep.errors import RunError, StudyConflict

if TYPE_CHECKING:
    from mineralsweep.tracking import Outbox

POLL_SECONDS = 1.0


def wait_for_the_leader(engine: Engine, drivers: Drivers, say: Say) -> None:
    """Wait until the driver that leads has made the parent run."""
    if drivers.shared and drivers.others():
        say(f"Joined {len(drivers.others())} other drivers of this study")
    while not drivers.leads() and "run_id" not in engine.notes():
        time.sleep(POLL_SECONDS)


def concludes(drivers: Drivers, say: Say) -> bool:
    """Say whether it is this driver that concludes the study; wait for those that are at work.

    The leading one waits until every other has delivered what it has, and left; or is dead.
    """
    if drivers.leads() and drivers.others():
        say("Waits for the other drivers to deliver")
    while drivers.leads():  # one that was silent and came back leads again
        if not drivers.others():
            return True
        time.sleep(POLL_SECONDS)
    return False


def adopt_left(outbox: Outbox, study: Path) -> int:
    """Take what other drivers of this machine left on disk, where they are gone.

    Returns:
        How many trials' entries there were.
    """
    taken = 0
    for folder in (study, *study.glob("driver-*")):
        if folder / "outbox" != outbox.folder:
            with contextlib.suppress(StudyConflict), study_locked(folder):
                taken += outbox.adopt(folder / "outbox")
    return taken


def make_whole(session: Session) -> None:
    """See to it that MLflow has every trial that has ended, once no other driver is at work.

    A driver may die after the engine knows of a trial, before MLflow has all of it. What it left
    on this machine is delivered. What nobody here has is trained again, however long that takes.

    Raises:
        RunError: a trial could not be trained again; its earlier record stays.
    """
    if session.drivers.shared and adopt_left(session.outbox, study_folder(session.study)):
        session.bring_to_an_end()
    lacking = session.run.undelivered(session.engine.records())
    if not lacking:
        return
    numbers = ", ".join(map(str, lacking))
    session.say(f"Trained again, for MLflow has no whole run of them: trials {numbers}")
    session.bring_to_an_end(again=lacking)
    lacking = session.run.undelivered(session.engine.records())
    if lacking:
        numbers = ", ".join(map(str, lacking))
        raise RunError(
            f"study '{session.study}': trials {numbers} have ended, but the driver that ran them"
            " has not delivered them, and they could not be trained again; start it again where"
            f" it ran: mineralsweep resume {session.study}"
        )
