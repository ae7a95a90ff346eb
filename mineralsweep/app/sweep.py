"""A sweep, from its settings to a registered champion."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app import baseline
from mineralsweep.app.checks import (
    Say,
    fingerprint,
    leave_out_unavailable,
    open_sweep_data,
    own_folder,
    storage_url,
    study_folder,
    suited_to_machine,
)
from mineralsweep.app.conclude import SweepOutcome, conclude
from mineralsweep.app.session import Session
from mineralsweep.app.settings import Settings, check_place
from mineralsweep.app.settings import write as write_settings
from mineralsweep.app.together import (
    adopt_left,
    concludes,
    make_whole,
    wait_for_the_leader,
)
from mineralsweep.app.warm_start import NOTE as LEARNED
from mineralsweep.app.warm_start import learn_from
from mineralsweep.config import Sweep, caveats
from mineralsweep.core.record import BASELINE
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines import ENGINES
from mineralsweep.engines.drivers import Drivers, joined, may_share
from mineralsweep.engines.engine import Engine
from mineralsweep.errors import StudyConflict
from mineralsweep.executors import EXECUTORS, Executor, FoldedExecutor

if TYPE_CHECKING:
    from mineralsweep.search import Listener
    from mineralsweep.tracking import Outbox, Store, SweepRun


@dataclass(frozen=True)
class HandedOver:
    """This driver's part is done; another one leads the study, and concludes it."""

    study: str
    store: Store
    run_id: str
    minutes: float


def run_sweep(
    sweep: Sweep,
    config: Path,
    study: str | None,
    storage: str | None,
    listener: Listener,
    say: Say,
    old: str | None = None,
) -> SweepOutcome | HandedOver:
    """Run a sweep, or take one up, to a registered champion.

    Nothing is written to MLflow before the data, the weights and the study's name are in order.

    Args:
        sweep: the question, with the flags laid over it.
        config: its file, kept with the run.
        study: a name, to take the study up later or now; None makes one up.
        storage: a database URL for the engine; None: a journal in .mineralsweep/.
        listener: is told of the trials.
        say: is told of the rest, a line at a time.
        old: another study, whose trials the search learns from; None: it begins with nothing.

    Raises:
        InputError: the data, the weights or the study can't be used; nothing was run.
        SweepFailed: no trial could be completed, or several failed in a row.
        KeyboardInterrupt: the user stopped it; runs are ended, and the study can be taken up.
    """
    started = time.monotonic()
    sweep = suited_to_machine(sweep)
    given = Settings(sweep, config, storage)
    name = study or f"{config.stem}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = study_folder(name)
    storage = storage_url(storage)
    check_place(name, storage)
    dataset = open_sweep_data(sweep, say)
    sweep, left_out = leave_out_unavailable(sweep)
    for reason in left_out:
        say(f"Left out: {reason}")
    for caveat in caveats(sweep):
        say(caveat)
    with own_folder(folder, may_share(storage)) as folder, joined(storage, name) as drivers:
        engine = _open_engine(sweep, name, folder, storage, dataset, drivers)
        if old is not None:
            learn_from(old, engine, sweep, name, say)
        write_settings(name, given, storage)
        executor = _executor(sweep, folder / "logs")
        # MLflow loads while the workers load TensorFlow.
        from mineralsweep.search import recover
        from mineralsweep.tracking import Outbox

        try:
            outbox = Outbox(folder / "outbox")
            if drivers.shared:
                adopt_left(outbox, study_folder(name))
            recover(outbox, engine)
            wait_for_the_leader(engine, drivers, say)
            store, run = _open_run(engine, name, sweep, dataset, left_out, config, outbox)
            listener.study_opened(name, engine.records())
            with _ended_whatever_comes(run, drivers):
                return _carry_through(
                    Session(
                        name,
                        sweep,
                        dataset,
                        engine,
                        executor,
                        drivers,
                        store,
                        run,
                        folder,
                        outbox,
                        tuple(left_out),
                        listener,
                        say,
                        started,
                    )
                )
        finally:
            executor.close()


def _carry_through(session: Session) -> SweepOutcome | HandedOver:
    """Search until the budget is spent, and conclude; or leave that to the driver that leads."""
    drivers = session.drivers
    beaten = session.baseline() if drivers.leads() else None
    search = session.search()
    search.run()
    if not concludes(drivers, session.say):
        return HandedOver(session.study, session.store, session.run.run_id, session.minutes())
    make_whole(session)
    session.run.end_abandoned()
    if drivers.shared:  # it may lead since another one died
        beaten = session.baseline()
    session.executor.close()
    return conclude(session, beaten, search.why_it_ended())


def _open_engine(
    sweep: Sweep,
    study: str,
    folder: Path,
    storage: str | None,
    dataset: Dataset,
    drivers: Drivers,
) -> Engine:
    leads = drivers.leads if drivers.shared else None
    known = fingerprint(sweep, dataset)
    return ENGINES[sweep.engine.name](
        sweep, study, folder, storage, known, drivers.me, drivers.is_dead, leads
    )


def _executor(sweep: Sweep, logs: Path) -> Executor:
    faults = sweep.faults
    local = EXECUTORS["local"](
        sweep.workers or 1, logs, faults.trial_timeout, faults.silence_timeout
    )
    return local if sweep.folds == 1 else FoldedExecutor(local)


def _open_run(
    engine: Engine,
    name: str,
    sweep: Sweep,
    dataset: Dataset,
    left_out: list[str],
    config: Path,
    outbox: Outbox,
) -> tuple[Store, SweepRun]:
    from mineralsweep.tracking import SweepRun, open_store

    store = open_store()
    notes = engine.notes()
    _check_store(notes, store, name)
    if "run_id" in notes:
        store = store.where(notes["run_id"])
    told = {record.number for record in engine.records()}
    if baseline.noted(engine) is not None:
        told.add(BASELINE)
    waiting = [entry.card.token for entry in outbox.left()]
    run = SweepRun(store, name, sweep, dataset, notes.get("run_id"), told, waiting, outbox.driver())
    engine.set_note("run_id", run.run_id)
    engine.set_note("store", store.shown_uri)
    if LEARNED in notes:
        run.tag({"mineralsweep.warm_start": notes[LEARNED]})
    if left_out:
        run.tag({"mineralsweep.left_out": "; ".join(left_out)})
    if config.is_file():
        run.log_file(config)
    return store, run


def _check_store(notes: dict[str, str], store: Store, study: str) -> None:
    """Refuse to go on with a study in another tracking store than the one it began in."""
    if "run_id" in notes and not store.has_run(notes["run_id"]):
        raise StudyConflict(
            f"study '{study}': its run {notes['run_id']} is not in {store.shown_uri};"
            f" set MLFLOW_TRACKING_URI to where it began: {notes.get('store', 'unknown')}"
        )


@contextlib.contextmanager
def _ended_whatever_comes(run: SweepRun, drivers: Drivers) -> Iterator[None]:
    """A run whose driver is alive must not be left RUNNING, where MLflow can be told.

    Where others work on, it is theirs to end.
    """
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(Exception):
            drivers.close()  # first: of several that are stopped together, the last one ends it
            if not drivers.others():
                run.end("KILLED")
        raise
    except Exception as error:
        with contextlib.suppress(Exception):
            drivers.close()
        with contextlib.suppress(Exception):  # MLflow may be what failed: that is told
            if not drivers.others():
                run.describe(f"**Failed.** {error}")
                run.end("FAILED")
        raise
