"""A sweep, from its settings to a registered champion."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.config import Gate, Sweep, caveats
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines import ENGINES
from mineralsweep.engines.drivers import Drivers, joined, may_share
from mineralsweep.engines.engine import BASELINE, Engine, TrialRecord
from mineralsweep.engines.ranking import champion
from mineralsweep.errors import RunError, StudyConflict
from mineralsweep.executors import EXECUTORS, Executor, FoldedExecutor
from mineralsweep.pipeline import baseline
from mineralsweep.pipeline.checks import (
    Say,
    fingerprint,
    leave_out_unavailable,
    open_sweep_data,
    own_folder,
    storage_url,
    study_folder,
    study_locked,
    suited_to_machine,
)
from mineralsweep.pipeline.report import write_report
from mineralsweep.pipeline.settings import Settings, check_place
from mineralsweep.pipeline.settings import write as write_settings
from mineralsweep.pipeline.warm_start import NOTE as LEARNED
from mineralsweep.pipeline.warm_start import learn_from

if TYPE_CHECKING:
    import pandas as pd

    from mineralsweep.registry import Crowned
    from mineralsweep.study import Listener
    from mineralsweep.tracking import Outbox, Store, SweepRun

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep found, and where it stands.

    Attributes:
        warnings: those of its report, a sentence each.
        minutes: the wall time of this session.
        model: the registered model's name.
        beside: how the best trial stands to the baseline, in sentences; none without one.
    """

    study: str
    store: Store
    run_id: str
    records: list[TrialRecord]
    table: pd.DataFrame
    crowned: Crowned
    warnings: tuple[str, ...]
    minutes: float
    model: str
    beside: list[str]


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
        from mineralsweep.study import Study, recover
        from mineralsweep.tracking import Outbox

        try:
            outbox = Outbox(folder / "outbox")
            if drivers.shared:
                _adopt_left(outbox, study_folder(name))
            recover(outbox, engine)
            _wait_for_the_leader(engine, drivers, say)
            store, run = _open_run(engine, name, sweep, dataset, left_out, config, outbox)
            listener.study_opened(name, engine.records())
            with _ended_whatever_comes(run, drivers):
                scratch = folder / "baseline"
                beaten = None
                if drivers.leads():
                    beaten = baseline.ensure(sweep, dataset, engine, executor, run, scratch, say)
                search = Study(
                    sweep, dataset, engine, executor, run, outbox.folder, listener, drivers
                )
                records = search.run()
                if not drivers.leads():
                    minutes = (time.monotonic() - started) / 60
                    return HandedOver(name, store, run.run_id, minutes)
                if not _waited_for_the_others(drivers, say):
                    minutes = (time.monotonic() - started) / 60
                    return HandedOver(name, store, run.run_id, minutes)
                if drivers.shared and _adopt_left(outbox, study_folder(name)):
                    # One that died here after it told the engine, before MLflow had it all.
                    Study(
                        sweep, dataset, engine, executor, run, outbox.folder, listener, drivers
                    ).run()
                records = engine.records()  # theirs too
                _check_delivered(run.located(records), name)
                run.end_abandoned()
                if drivers.shared:  # it may lead since another one died
                    beaten = baseline.ensure(sweep, dataset, engine, executor, run, scratch, say)
                say(f"Ended: {search.why_it_ended()}")
                run.tag({"mineralsweep.ended": search.why_it_ended()})
                executor.close()
                return _conclude(
                    sweep, dataset, engine, store, run, records, beaten, name, left_out, started
                )
        finally:
            executor.close()


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


def _adopt_left(outbox: Outbox, study: Path) -> int:
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


def _wait_for_the_leader(engine: Engine, drivers: Drivers, say: Say) -> None:
    """Wait until the driver that leads has made the parent run."""
    if drivers.shared and drivers.others():
        say(f"Joined {len(drivers.others())} other drivers of this study")
    while not drivers.leads() and "run_id" not in engine.notes():
        time.sleep(POLL_SECONDS)


def _waited_for_the_others(drivers: Drivers, say: Say) -> bool:
    """Wait until every other driver has delivered what it has, and left; or is dead.

    Returns:
        Whether this driver still leads: one that was silent and came back leads again.
    """
    if drivers.others():
        say("Waits for the other drivers to deliver")
    while drivers.others():
        if not drivers.leads():
            return False
        time.sleep(POLL_SECONDS)
    return True


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


def _check_delivered(records: list[TrialRecord], study: str) -> None:
    """Refuse to conclude without the models of a driver that died with them on its disk."""
    lacking = [str(one.number) for one in records if one.state != "FAILED" and not one.model_id]
    if lacking:
        raise RunError(
            f"study '{study}': trials {', '.join(lacking)} have ended, but the driver that ran them"
            f" has not delivered them; start it again where it ran: mineralsweep resume {study}"
        )


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


def _conclude(
    sweep: Sweep,
    dataset: Dataset,
    engine: Engine,
    store: Store,
    run: SweepRun,
    records: list[TrialRecord],
    beaten: TrialRecord | None,
    study: str,
    left_out: list[str],
    started: float,
) -> SweepOutcome:
    from mineralsweep import report

    records = run.located(records)
    lines = records if beaten is None else [*records, *run.located([beaten])]
    best = champion(lines if sweep.baseline == "eligible" else records, sweep.objective)
    assert best is not None  # the study raises without a complete trial
    table = report.leaderboard(lines, sweep)
    run.log_table(table, "leaderboard")
    run.log_text(report.plots_page(engine, study), "plots.html")
    crowned = _crown(engine, store, run, best, dataset, study, sweep.gate)
    beside: list[str] = []
    evidence = report.Evidence(
        study,
        sweep,
        dataset,
        tuple(records),
        crowned,
        store,
        run.run_id,
        tuple(left_out),
        None if beaten is None else lines[-1],
    )
    if evidence.baseline is not None:
        compared = crowned.record, evidence.baseline, report.against_baseline(evidence)
        beats = report.standing(*compared, sweep.objective)
        baseline.mark(store, run, crowned, evidence.baseline, sweep, beats)
        beside = report.verdict(*compared, sweep.objective, study)
    warnings = write_report(evidence)
    minutes = (time.monotonic() - started) / 60
    data = dataset.describe()
    run.describe(
        report.description(sweep, table, crowned, data, left_out, warnings, minutes, beside)
    )
    run.end("FINISHED")
    return SweepOutcome(
        study,
        store,
        run.run_id,
        records,
        table,
        crowned,
        warnings,
        minutes,
        sweep.gate.model,
        beside,
    )


def _crown(
    engine: Engine,
    store: Store,
    run: SweepRun,
    best: TrialRecord,
    dataset: Dataset,
    study: str,
    rules: Gate,
) -> Crowned:
    """Crown the best trial, unless an earlier session did: the test split stays closed then."""
    from mineralsweep import registry

    noted = engine.notes().get("crowned")
    if noted is not None:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # an earlier release's
            earlier = registry.Crowned.from_json(noted)
            if earlier.record.number == best.number:
                return earlier
    crowned = registry.crown(store, run, best, dataset, study, rules)
    engine.set_note("crowned", crowned.to_json())
    return crowned
