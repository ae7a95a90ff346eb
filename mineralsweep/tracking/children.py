"""The runs of a sweep's trials, found under the sweep's run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlflow.entities import Run, ViewType

from mineralsweep.core.record import TrialRecord
from mineralsweep.tracking.store import Store
from mineralsweep.tracking.trial_run import MODEL, TRIAL

ATTEMPT = "mineralsweep.attempt"
WHOLE = ("FINISHED", "KILLED")
"""How the run of a trial that was trained ends: KILLED where it was pruned."""


def children(store: Store, run_id: str) -> list[Run]:
    """Return the runs under a sweep's run."""
    experiment = store.client.get_run(run_id).info.experiment_id
    found: list[Run] = []
    token: str | None = None
    while True:
        page = store.client.search_runs(
            [experiment], f"tags.`mlflow.parentRunId` = '{run_id}'", ViewType.ACTIVE_ONLY,
            page_token=token,
        )  # fmt: skip
        found.extend(page)
        token = page.token
        if not token:
            return found


def located(store: Store, run_id: str, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the records with the run and the model that stand for each of them in MLflow.

    A trial that was tried more than once has more than one run: the last whole attempt counts.

    Args:
        store: where they are.
        run_id: of the sweep.
        records: as the engine has them.
    """
    found = standing(children(store, run_id))
    return [
        replace(
            record,
            run_id=found[record.number].info.run_id,
            model_id=found[record.number].data.tags.get(MODEL),
        )
        if record.number in found
        else record
        for record in records
    ]


def standing(runs: Iterable[Run]) -> dict[int, Run]:
    """Return, by trial, the run that stands for it: its last whole attempt, else its last one."""
    return {number_of(run): run for run in sorted(runs, key=_attempt)}


def number_of(run: Run) -> int:
    """Return the number of a run's trial."""
    return int(run.data.tags.get(TRIAL, "-1"))


def is_whole(run: Run) -> bool:
    """Say whether a run holds all of a trial that was trained."""
    return run.info.status in WHOLE and MODEL in run.data.tags


def _attempt(run: Run) -> tuple[bool, int, int]:
    """Order by what counts most last; each driver counts its own attempts."""
    return run.info.status in WHOLE, int(run.info.start_time), int(run.data.tags.get(ATTEMPT, "1"))
