"""A sweep, from its settings to a registered champion and a report."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mineralsweep.app.drawing import draw, evidence_of
from mineralsweep.app.session import Request, Session, opened
from mineralsweep.config import Gate, Sweep
from mineralsweep.core.cost import chosen, why
from mineralsweep.core.record import TrialRecord, champion
from mineralsweep.errors import SweepFailed

if TYPE_CHECKING:
    import pandas as pd

    from mineralsweep.app.checks import Say
    from mineralsweep.registry import Crowned
    from mineralsweep.report import Evidence
    from mineralsweep.search.listener import Listener
    from mineralsweep.search.refit import Refit
    from mineralsweep.tracking import Store


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep found, and where it stands.

    Attributes:
        records: of the trials that count, and of the baseline.
        table: the leaderboard.
        warnings: those of its report, a sentence each.
        minutes: the wall time of this session.
        sweep: the settings that it ran with.
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
    sweep: Sweep
    beside: list[str]


def run_sweep(request: Request, listener: Listener, say: Say) -> SweepOutcome:
    """Run a sweep, or go on with one, to a registered champion.

    The champion is crowned and the run is ended before anything is drawn: whatever becomes of the
    report, what was found stands.

    Raises:
        InputError: the data, the weights or the study can't be used; nothing was run.
        SweepFailed: no trial could be completed, or several failed in a row.
        KeyboardInterrupt: the user stopped it; runs are ended, and the study can be resumed.
    """
    from mineralsweep import report

    with opened(request, listener, say) as session:
        study = session.study()
        study.run()
        why = study.why_it_ended()
        session.say(f"Ended: {why}")
        session.state.ended = why
        session.run.tag({"mineralsweep.ended": why})
        evidence = _crowned(session)
        outcome = _told(session, evidence)
        session.run.end("FINISHED")
    page = draw(evidence, say)
    if page is None:
        return outcome
    with contextlib.suppress(Exception):  # the report is there; the description stands without
        text = report.description(evidence, outcome.minutes, outcome.beside, page.warnings)
        session.run.describe(text)
    return dataclasses.replace(outcome, warnings=page.warnings)


def _crowned(session: Session) -> Evidence:
    """Crown the best trial, unless an earlier session did: the test split stays closed then."""
    from mineralsweep import registry

    state, sweep = session.state, session.sweep
    records = counted(session)
    best = chosen(records, sweep.objective, sweep.costs, sweep.tolerance)
    if best is None:
        raise SweepFailed("no trial is left: all complete ones are excluded")
    rule = _rule(records, best, sweep) if sweep.costs else ""
    if rule:
        session.say(f"Chosen: {rule}")
        session.run.tag({"mineralsweep.chosen": rule})
    crowned = _earlier(state.champion, best, sweep.gate)
    if crowned is None:
        refit = _refit(session, best) if sweep.refit else None
        session.executor.close()
        crowned = registry.crown(
            session.store, session.run, best, session.dataset, state.study, sweep.gate, rule, refit
        )
        state.champion = crowned.to_json()
    state.save()
    shutil.rmtree(state.folder / "refit", ignore_errors=True)
    return evidence_of(session.store, state, session.task, records, crowned)


def _refit(session: Session, best: TrialRecord) -> Refit:
    """Train the best trial once more on all images, and write on its run what became of it.

    One that was crowned by other rules of the gate is registered: it is not trained again.
    """
    from mineralsweep.search.refit import Refit, refit
    from mineralsweep.tracking import TrialRun

    before = _of_trial(session.state.champion, best)
    if before is not None:
        return Refit(before.refit)
    folder = session.state.folder / "refit" / best.run_id
    made = refit(session.task, best, session.executor, folder, session.listener)
    session.say(f"{best.title().capitalize()}: {made.words}")
    run = TrialRun(session.store, best.run_id, session.dataset)
    run.note_refit(made.words, made.history)
    return made


def _rule(records: list[TrialRecord], best: TrialRecord, sweep: Sweep) -> str:
    """Say why a trial was chosen where a cheaper model is wanted too."""
    ahead = champion(records, sweep.objective)
    assert ahead is not None
    return why(best, ahead, sweep.objective, sweep.costs[0], sweep.tolerance)


def counted(session: Session) -> list[TrialRecord]:
    """Return the records that count, the baseline's among them, with their runs.

    A trial whose run the user deleted is excluded from now on, as by `mineralsweep exclude`.
    """
    from mineralsweep.tracking.store import EXCLUDED

    state = session.state
    located = session.run.located(state.with_baseline(session.engine.records(), session.sweep))
    for record in located:
        if not record.run_id:
            state.excluded.setdefault(str(record.number), "its run was deleted")
    excluded = [
        f"{record.title()}: {state.excluded[str(record.number)]}"
        for record in located
        if str(record.number) in state.excluded
    ]
    for line in excluded:
        session.say(f"Excluded: {line}")
    session.run.tag({EXCLUDED: "; ".join(excluded)} if excluded else {})
    state.save()
    return state.counted(located)


def _earlier(text: str, best: TrialRecord, rules: Gate) -> Crowned | None:
    """Return what an earlier session crowned, if it is still the best, by the same rules."""
    earlier = _of_trial(text, best)
    with contextlib.suppress(ValueError, TypeError):  # another release's
        if earlier and type(rules)(**earlier.decision.rules) == rules:  # an older one has fewer
            return earlier
    return None


def _of_trial(text: str, best: TrialRecord) -> Crowned | None:
    """Return what an earlier session crowned, if it was this trial."""
    from mineralsweep.registry import Crowned

    with contextlib.suppress(ValueError, KeyError, TypeError):  # none, or another release's
        earlier = Crowned.from_json(text)
        if (earlier.record.number, earlier.record.run_id) == (best.number, best.run_id):
            return earlier
    return None


def _told(session: Session, evidence: Evidence) -> SweepOutcome:
    """Write what the reader of the sweep's run looks for, all but the drawings."""
    from mineralsweep import report

    run, sweep = session.run, session.sweep
    table = report.leaderboard(list(evidence.lines), sweep)
    run.log_table(table, "leaderboard")
    beside: list[str] = []
    if evidence.baseline is not None:
        compared = evidence.best, evidence.baseline, report.against_baseline(evidence)
        beats = report.standing(*compared, sweep.objective)
        _mark(session, evidence.crowned, evidence.baseline, beats)
        beside = report.verdict(*compared, sweep.objective)
    outcome = SweepOutcome(
        session.state.study,
        session.store,
        run.run_id,
        list(evidence.lines),
        table,
        evidence.crowned,
        (),
        session.minutes(),
        sweep,
        beside,
    )
    run.describe(report.description(evidence, outcome.minutes, beside))
    return outcome


def _mark(session: Session, crowned: Crowned, baseline: TrialRecord, beats: str) -> None:
    """Write on the sweep's run and on the registered version how its best trial compares."""
    tags = {
        "mineralsweep.baseline": str(baseline.interval()),
        "mineralsweep.beats_baseline": beats,
    }
    session.run.tag(tags)
    for name, value in tags.items():
        session.store.client.set_model_version_tag(
            session.sweep.gate.model, crowned.version, name, value
        )
