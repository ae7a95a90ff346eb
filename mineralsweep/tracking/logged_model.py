"""A trial's model in MLflow: one, however often it has to be tried."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.models import Model
from mlflow.tracking.context.registry import resolve_tags

from mineralsweep.serving import pyfunc
from mineralsweep.tracking.store import Store, without_mlflow_warnings

NAME = "model"


def ensure(
    store: Store,
    run_id: str,
    architecture: str,
    network: Path,
    metrics: Mapping[str, float],
    time: int,
    doubt: bool = True,
) -> str:
    """Log a trained network as a run's one model, with the run's summary; return the model's id.

    MLflow's own log_model makes another model, and another line among the run's outputs, each time
    it is called. Here each step looks first whether it has been taken, or may be taken twice.

    Args:
        store: where the run is.
        run_id: of the run, which is running.
        architecture: goes into the model's metadata.
        network: the folder with the trained network.
        metrics: a summary, written to the run and to the model, at step 0.
        time: of the metrics, in ms since 1970.
        doubt: whether some of it may have been done before; without, nothing is asked first.
    """
    client = store.client
    model = (_found(store, run_id) if doubt else None) or client.create_logged_model(
        store.experiment_id,
        NAME,
        run_id,
        tags=dict(resolve_tags()),
        params=dict(client.get_run(run_id).data.params),
    )
    model_id = str(model.model_id)
    if not (doubt and model_id in _outputs(store, run_id)):
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    client.log_batch(
        run_id,
        [Metric(name, value, time, 0, model_id=model_id) for name, value in metrics.items()],
    )
    if model.status != LoggedModelStatus.READY:
        _upload(store, model, run_id, architecture, network)
        client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    if doubt:
        _found(store, run_id)  # a request that timed out may have been carried out since
    return model_id


def _found(store: Store, run_id: str) -> LoggedModel | None:
    """Return the run's model if one was made; more of them, made by late answers, are removed."""
    experiment = store.client.get_run(run_id).info.experiment_id
    models = store.client.search_logged_models(
        [experiment], filter_string=f"source_run_id = '{run_id}'"
    )
    found = sorted(models, key=_wholeness)
    for other in found[1:]:
        store.client.delete_logged_model(other.model_id)
    return found[0] if found else None


def _outputs(store: Store, run_id: str) -> set[str]:
    outputs = store.client.get_run(run_id).outputs
    return {one.model_id for one in outputs.model_outputs} if outputs else set()


def _wholeness(model: LoggedModel) -> tuple[bool, int]:
    return model.status != LoggedModelStatus.READY, int(model.creation_timestamp)


def _upload(
    store: Store, model: LoggedModel, run_id: str, architecture: str, network: Path
) -> None:
    described = Model(
        artifact_path=model.artifact_location,
        model_uuid=model.model_id,
        run_id=run_id,
        model_id=model.model_id,
        metadata={"architecture": architecture},
    )
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch, without_mlflow_warnings():
        folder = Path(scratch) / "model"
        pyfunc.save(network, folder, described)
        store.client.log_model_artifacts(model.model_id, str(folder))
