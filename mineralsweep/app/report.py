"""The report of a study: at the end of its sweep, and again whenever it is asked for."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app import baseline, settings
from mineralsweep.app.checks import (
    Say,
    fingerprint,
    leave_out_unavailable,
    open_sweep_data,
    storage_url,
    study_folder,
    study_locked,
    suited_to_machine,
)
from mineralsweep.engines import ENGINES
from mineralsweep.errors import ConfigError

if TYPE_CHECKING:
    from mineralsweep.report import Evidence
    from mineralsweep.tracking import Store

PAGE = "report.html"


@dataclass(frozen=True)
class Reported:
    """A report that was made: the run that holds it, its size in bytes, and its warnings."""

    run_id: str
    size: int
    warnings: tuple[str, ...]


def write_report(evidence: Evidence) -> tuple[str, ...]:
    """Put a finished sweep's report into its run, and return its warnings, a sentence each.

    Whatever goes wrong is logged and raises nothing: the sweep's result stands without a report.
    """
    from mineralsweep import report

    warnings: tuple[str, ...] = ()
    try:
        page = report.make(evidence)
        warnings = page.warnings
        evidence.store.client.log_text(evidence.run_id, page.html, PAGE)
    except Exception as error:
        logging.getLogger(__name__).warning(
            "no report: %s: %s; make it with: mineralsweep report %s",
            type(error).__name__, error, evidence.study, exc_info=True,
        )  # fmt: skip
    return warnings


def make_report(study_or_run: str, out: Path | None, say: Say) -> Reported:
    """Make a study's report again, put it into its run, and write it to a file if asked to.

    Args:
        study_or_run: a study's name, or the id of its run in MLflow.
        out: a file to write too, None for none.
        say: is told what is found, a line at a time.

    Raises:
        InputError: there is no such study here, it has no champion yet, it is at work, its data
            can't be opened, or the file can't be written.
    """
    from mineralsweep import report
    from mineralsweep.tracking import open_store

    store = open_store()
    evidence = _evidence(_study_of(study_or_run, store), store, say)
    page = report.make(evidence)
    if out is not None:
        write_page(out, page.html)
    store.client.log_text(evidence.run_id, page.html, PAGE)
    return Reported(evidence.run_id, len(page.html.encode()), page.warnings)


def _study_of(study_or_run: str, store: Store) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", study_or_run):
        return study_or_run
    from mineralsweep.tracking.trial_run import STUDY

    if not store.has_run(study_or_run):
        raise ConfigError(
            f"STUDY: no run {study_or_run} in {store.shown_uri}; give the study's name, or set"
            " MLFLOW_TRACKING_URI to where the run is"
        )
    study = store.client.get_run(study_or_run).data.tags.get(STUDY)
    if study is None:
        raise ConfigError(f"STUDY: run {study_or_run} is no sweep's; give the run of a sweep")
    return str(study)


def _evidence(study: str, store: Store, say: Say) -> Evidence:
    from mineralsweep.registry import Crowned
    from mineralsweep.report import Evidence
    from mineralsweep.tracking import located

    kept = settings.read(study)
    dataset = open_sweep_data(kept.sweep, say)
    sweep, left_out = leave_out_unavailable(suited_to_machine(kept.sweep))
    folder = study_folder(study)
    with study_locked(folder):
        engine = ENGINES[sweep.engine.name](
            sweep, study, folder, storage_url(kept.storage), fingerprint(sweep, dataset)
        )
        records, notes, beaten = engine.records(), engine.notes(), baseline.noted(engine)
    if "crowned" not in notes or "run_id" not in notes:
        raise ConfigError(
            f"STUDY: study '{study}' has no champion yet; finish it: mineralsweep resume {study}"
        )
    if not store.has_run(notes["run_id"]):
        raise ConfigError(
            f"STUDY: the run of study '{study}' is not in {store.shown_uri}; set"
            f" MLFLOW_TRACKING_URI to where it began: {notes.get('store', 'unknown')}"
        )
    records = located(store, notes["run_id"], records)
    try:
        crowned = Crowned.from_json(notes["crowned"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"STUDY: the champion of study '{study}' was noted by another release; crown it again:"
            f" mineralsweep resume {study}"
        ) from None
    return Evidence(
        study, sweep, dataset, tuple(records), crowned, store.uri, notes["run_id"], tuple(left_out),
        beaten,
    )  # fmt: skip


def write_page(out: Path, page: str) -> None:
    """Write a page to a file.

    Raises:
        ConfigError: it can't be written.
    """
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--out: {out} can't be written: {error.strerror or error}; name another file"
        ) from None
