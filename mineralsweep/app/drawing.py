"""The report, drawn in a process of its own: it may fail or die, and nothing else is harmed."""

from __future__ import annotations

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app.checks import check_store, open_study_data, suited_to_machine
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.errors import ConfigError
from mineralsweep.executors.worker import print_to
from mineralsweep.search.lock import study_locked
from mineralsweep.search.state import State, exists, folder_of
from mineralsweep.search.task import Task

if TYPE_CHECKING:
    from mineralsweep.app.checks import Say
    from mineralsweep.registry import Crowned
    from mineralsweep.report import Evidence, Page
    from mineralsweep.tracking import Store

FILE = "report.html"
LOG = "report.log"
"""In the study's folder: what the process that draws prints, TensorFlow's messages included."""


def evidence_of(
    store: Store, state: State, task: Task, records: list[TrialRecord], crowned: Crowned
) -> Evidence:
    """Return what a report is made from; `records`: those that count, the baseline's included."""
    from mineralsweep.report import Evidence

    return Evidence(
        study=state.study,
        sweep=task.sweep,
        dataset=task.dataset,
        records=tuple(record for record in records if record.number != BASELINE),
        crowned=crowned,
        tracking_uri=store.uri,
        run_id=state.run_id,
        left_out=tuple(f"{name}: {reason}" for name, reason in state.left_out.items()),
        baseline=next((record for record in records if record.number == BASELINE), None),
    )


def draw(evidence: Evidence, say: Say) -> Page | None:
    """Draw a study's report and put it into the study's run; None where that went wrong.

    Whatever goes wrong is told and raises nothing.
    """
    try:
        page = drawn(evidence)
        evidence.store.client.log_text(evidence.run_id, page.html, FILE)
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, BrokenProcessPool):
            reason = f"the process that drew it died, see {folder_of(evidence.study) / LOG}"
        logging.getLogger(__name__).info("no report", exc_info=True)
        say(f"No report: {reason}. Draw it again: mineralsweep report {evidence.study}")
        return None
    return page


def drawn(evidence: Evidence) -> Page:
    """Draw a study's report."""
    from mineralsweep import report

    context = multiprocessing.get_context("spawn")
    log = folder_of(evidence.study) / LOG
    with ProcessPoolExecutor(1, context, initializer=print_to, initargs=(log,)) as pool:
        return pool.submit(report.make, evidence).result()


def draw_again(study_or_run: str, out: Path | None, say: Say) -> tuple[str, Page]:
    """Draw a study's report again, put it into its run, and write it to a file if asked to.

    Args:
        study_or_run: a study's name, or the id of its run in MLflow.
        out: a file to write too, None for none.
        say: is told what is found, a line at a time.

    Returns:
        The run that holds it, and the page.

    Raises:
        InputError: there is no such study here, it has no champion yet, it is at work, its data
            can't be opened, or the file can't be written.
    """
    evidence = evidence_again(study_or_run, say)
    page = drawn(evidence)
    if out is not None:
        write_page(out, page.html)
    evidence.store.client.log_text(evidence.run_id, page.html, FILE)
    return evidence.run_id, page


def evidence_again(study_or_run: str, say: Say) -> Evidence:
    """Return what the report of a study that has ended is made from.

    Args:
        study_or_run: a study's name, or the id of its run in MLflow.
        say: is told what is found, a line at a time.

    Raises:
        InputError: there is no such study here, it has no champion yet, it is at work, or its data
            can't be opened.
    """
    from mineralsweep.app.session import engine_of
    from mineralsweep.registry import Crowned
    from mineralsweep.tracking import StudyRun, open_store
    from mineralsweep.tracking.locations import check

    store = open_store()
    study = study_or_run
    if not exists(study) and store.has_run(study):
        study = store.study_of_run(study_or_run)
    state = State.read(study)
    if state.kind != "sweep":
        raise ConfigError(f"STUDY: study '{study}' is a {state.kind}; a report is of a sweep")
    if not state.champion or not state.run_id:
        raise ConfigError(
            f"STUDY: study '{study}' has no champion yet; finish it: mineralsweep resume {study}"
        )
    check_store(state, store)
    warning = check(store.where(state.run_id))  # the page is written there
    if warning:
        say(f"Careful: {warning}")
    sweep = suited_to_machine(state.searched(state.settings()))
    task = Task(sweep, open_study_data(study, sweep, say).keeping(state.in_test))
    state.check(task.question(), state.storage)
    with study_locked(state.folder):
        records = engine_of(state, task).records()
    run = StudyRun(store, study, state.kind, task.divided, state.run_id)
    located = run.located(state.with_baseline(records, sweep))
    counted = [one for one in state.counted(located) if one.run_id]
    crowned = Crowned.from_json(state.champion)
    return evidence_of(store, state, task, counted, crowned)


def write_page(out: Path, html: str) -> None:
    """Write a page to a file.

    Raises:
        ConfigError: it can't be written.
    """
    try:
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--out: {out} can't be written: {error.strerror or error}; name another file"
        ) from None
