"""One trial's run: its parameters, one step an epoch, its figures, its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.tracking.context.registry import resolve_tags

from mineralsweep.core.trial import EpochReport
from mineralsweep.data.dataset import Dataset
from mineralsweep.tracking.artifacts import PREDICTIONS, Artifacts
from mineralsweep.tracking.outbox import End, Point, now_ms
from mineralsweep.tracking.store import Store
from mineralsweep.urls import without_secrets

METRICS_A_CALL = 1_000
"""MLflow takes no more at once."""
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAILED": "FAILED"}
STATE = "mineralsweep.state"
TRIAL = "mineralsweep.trial"
STUDY = "mineralsweep.study"
REASON = "mineralsweep.reason"
MODEL = "mineralsweep.model_id"
REFIT = "mineralsweep.refit"


class TrialRun:
    """A run that is filled as its trial goes on, and ended once.

    Every method may be called again after an error, or by another process after this one died:
    what is there already does not stand twice.
    """

    def __init__(self, store: Store, run_id: str, dataset: Dataset) -> None:
        self.run_id = run_id
        self._store = store
        self._dataset = dataset

    def describe(self, params: Mapping[str, Any]) -> None:
        """Write what was set, and what it is trained on."""
        self._store.log_params(self.run_id, params)
        self._store.log_dataset(self.run_id, self._dataset, context="training and validation")

    def write(self, points: Sequence[Point]) -> None:
        """Write metrics at their steps; a trial's epochs are steps from 1."""
        metrics = [
            Metric(name, value, point.time, point.step)
            for point in points
            for name, value in point.metrics.items()
        ]
        for start in range(0, len(metrics), METRICS_A_CALL):
            self._store.client.log_batch(self.run_id, metrics[start : start + METRICS_A_CALL])

    def without_known(self, points: Sequence[Point]) -> list[Point]:
        """Return the points that the run does not hold yet, by their times and steps."""
        names = {next(iter(point.metrics)) for point in points if point.metrics}
        there = {
            (name, metric.step, metric.timestamp)
            for name in names
            for metric in self._store.client.get_metric_history(self.run_id, name)
        }
        return [
            point
            for point in points
            if point.metrics and (next(iter(point.metrics)), point.step, point.time) not in there
        ]

    def finish(self, end: End, made: Artifacts, doubt: bool = False) -> str:
        """Write what a trained trial leaves behind, end the run, and return the model's id.

        Args:
            end: of an attempt that was trained: it has a result.
            made: of this end.
            doubt: whether some of it may have been written before.
        """
        result = end.result
        assert result is not None
        if result.folds:  # each fold's epochs were written as they came, under its name
            points = [Point(one.metrics(), one.epoch, end.time) for one in result.history]
            self.write(self.without_known(points) if doubt else points)
        self._store.client.log_artifacts(self.run_id, str(made.files))
        model_id = ensure_model(self._store, self.run_id, made.model, made.metrics, end.time, doubt)
        tags = {MODEL: model_id, **self._store.named_table(self.run_id, PREDICTIONS)}
        self._end(
            end.state, end.reason, made.accuracy, end.time, tags, {"precision": result.precision}
        )
        return model_id

    def note_refit(self, words: str, history: Sequence[EpochReport]) -> None:
        """Write what a training on all images left, whose model is served in this one's stead."""
        now = now_ms()
        self.write(
            [
                Point(
                    {"refit_loss": one.train_loss, "refit_accuracy": one.train_accuracy},
                    one.epoch,
                    now,
                )
                for one in history
            ]
        )
        self._store.log(self.run_id, tags={REFIT: words})

    def fail(self, reason: str, log: str = "", time: int | None = None) -> None:
        """End the run as FAILED, with the reason and what the worker printed last."""
        if log:
            self._store.client.log_text(self.run_id, without_secrets(log), "worker.log")
        self._end("FAILED", reason, time=time)

    def suspend(self, reason: str) -> None:
        """End the run as FAILED for now: its trial will go on from a checkpoint."""
        self.fail(f"{reason}; goes on from its last checkpoint")

    def go_on(self) -> None:
        """Have a run that was suspended, or whose driver died, running again."""
        self._store.client.update_run(self.run_id, status="RUNNING")
        self._store.log(self.run_id, tags={STATE: "", REASON: "", "mlflow.note.content": ""})

    def _end(
        self,
        state: str,
        reason: str,
        accuracy: str = "",
        time: int | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        note = f"Validation accuracy {accuracy}." if accuracy else ""
        said = {STATE: state}
        if reason:
            said[REASON] = reason[:5000]
            note = f"{note} {state}: {reason}".strip()
        said["mlflow.note.content"] = note
        self._store.log(self.run_id, params=params, tags={**(tags or {}), **said})
        self._store.end(self.run_id, STATUS[state], time)


NAME = "model"


def ensure_model(
    store: Store,
    run_id: str,
    packed: Path,
    metrics: Mapping[str, float],
    time: int,
    doubt: bool = True,
) -> str:
    """Log a trained model as a run's one model, with the run's summary; return the model's id.

    MLflow's own log_model makes another model, and another line among the run's outputs, each time
    it is called. Here each step looks first whether it has been taken, or may be taken twice.

    Args:
        store: where the run is.
        run_id: of the run, which is running.
        packed: the model's folder, as `pyfunc.save` writes it.
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
        upload(store, model, run_id, packed)
        client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    if doubt:
        _found(store, run_id)  # a request that timed out may have been carried out since
    return model_id


def _found(store: Store, run_id: str) -> LoggedModel | None:
    """Return the run's model if one was made; more of them, made by late answers, are removed."""
    experiment = store.client.get_run(run_id).info.experiment_id
    models = store.client.search_logged_models(
        [experiment], filter_string=f"source_run_id = '{run_id}' AND name = '{NAME}'"
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


def upload(store: Store, model: LoggedModel, run_id: str, packed: Path) -> None:
    """Write a packed model's folder to where a logged model's files are; it then says whose."""
    described = Model.load(str(packed))
    described.artifact_path = model.artifact_location
    described.model_uuid = model.model_id
    described.run_id = run_id
    described.model_id = model.model_id
    described.save(str(packed / MLMODEL_FILE_NAME))
    store.client.log_model_artifacts(model.model_id, str(packed))
