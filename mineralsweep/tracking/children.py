"""The runs of a sweep's trials, found under the sweep's run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlflow.entities import Run, ViewType

from mineralsweep.engines.engine import TrialRecord
from mineralsweep.tracking.store import Store
from mineralsweep.tracking.trial_run import MODEL, TRIAL

ATTEMPT = "mineralsweep.attempt"


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
    found: dict[int, Run] = {}
    for child in sorted(children(store, run_id), key=_attempt):
        found[int(child.data.tags.get(TRIAL, "-1"))] = child
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


def _attempt(run: Run) -> tuple[bool, int, int]:
    """Order by what counts most last: each driver counts its own attempts."""
    whole = run.info.status in ("FINISHED", "KILLED")
    return whole, int(run.data.tags.get(ATTEMPT, "1")), int(run.info.start_time)
