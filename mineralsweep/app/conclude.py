"""The end of a sweep: its leaderboard, its champion, its report."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mineralsweep.app import baseline
from mineralsweep.app.report import write_report
from mineralsweep.app.session import Session
from mineralsweep.core.record import TrialRecord, champion

if TYPE_CHECKING:
    import pandas as pd

    from mineralsweep.registry import Crowned
    from mineralsweep.tracking import Store


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


def conclude(session: Session, beaten: TrialRecord | None, why: str) -> SweepOutcome:
    """Crown the best trial, and write what the reader of the sweep's run looks for.

    Args:
        session: its trials have ended, and MLflow has them.
        beaten: the baseline's record, None without one.
        why: which rule ended the study.
    """
    from mineralsweep import report

    sweep, run, store, study = session.sweep, session.run, session.store, session.study
    session.say(f"Ended: {why}")
    run.tag({"mineralsweep.ended": why})
    records = run.located(session.engine.records())
    lines = records if beaten is None else [*records, *run.located([beaten])]
    best = champion(lines if sweep.baseline == "eligible" else records, sweep.objective)
    assert best is not None  # the study raises without a complete trial
    table = report.leaderboard(lines, sweep)
    run.log_table(table, "leaderboard")
    crowned = _crown(session, best)
    evidence = report.Evidence(
        study,
        sweep,
        session.dataset,
        tuple(records),
        crowned,
        store.uri,
        run.run_id,
        session.left_out,
        None if beaten is None else lines[-1],
    )
    beside: list[str] = []
    if evidence.baseline is not None:
        compared = crowned.record, evidence.baseline, report.against_baseline(evidence)
        beats = report.standing(*compared, sweep.objective)
        baseline.mark(store, run, crowned, evidence.baseline, sweep, beats)
        beside = report.verdict(*compared, sweep.objective)
    warnings = write_report(evidence)
    minutes = session.minutes()
    data, left_out = session.dataset.describe(), list(session.left_out)
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


def _crown(session: Session, best: TrialRecord) -> Crowned:
    """Crown the best trial, unless an earlier session did: the test split stays closed then."""
    from mineralsweep import registry

    noted = session.engine.notes().get("crowned")
    if noted is not None:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # an earlier release's
            earlier = registry.Crowned.from_json(noted)
            # Its run may have been made anew: then the model is another one.
            if (earlier.record.number, earlier.record.run_id) == (best.number, best.run_id):
                return earlier
    crowned = registry.crown(
        session.store, session.run, best, session.dataset, session.study, session.sweep.gate
    )
    session.engine.set_note("crowned", crowned.to_json())
    return crowned
