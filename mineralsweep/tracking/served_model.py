"""The logged model that a registered version is made of: one a trial's run, beside the trial's."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.models import Model

from mineralsweep.serving import pyfunc
from mineralsweep.tracking.store import Store
from mineralsweep.tracking.trial_run import upload

NAME = "served"


def find(store: Store, run_id: str) -> str | None:
    """Return the id of a run's served model, None where there is none; half-written ones go."""
    found = None
    for model in _models(store, run_id):
        if model.status == LoggedModelStatus.READY and found is None:
            found = str(model.model_id)
        else:  # of a session that was killed
            store.client.delete_logged_model(model.model_id)
    return found


def log(store: Store, run_id: str, packaged: Path, bits: int) -> str:
    """Log a packaged model with a trial's run, and return its id.

    Args:
        store: where the run is.
        run_id: of the trial.
        packaged: the model's folder.
        bits: as of `pyfunc.save`.
    """
    client = store.client
    run = client.get_run(run_id)
    params = dict(run.data.params)
    model = client.create_logged_model(run.info.experiment_id, NAME, run_id, params=params)
    described = Model(metadata={"architecture": params.get("architecture", "")})
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        packed = Path(scratch) / "model"
        pyfunc.save(packaged, packed, described, bits)
        upload(store, model, run_id, packed)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return str(model.model_id)


def _models(store: Store, run_id: str) -> list[LoggedModel]:
    experiment = store.client.get_run(run_id).info.experiment_id
    wanted = f"source_run_id = '{run_id}' AND name = '{NAME}'"
    return list(store.client.search_logged_models([experiment], filter_string=wanted))
