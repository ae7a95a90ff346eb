"""The tracking store: which one, and the few calls that every run shares."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

from mineralsweep import files
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import InputError
from mineralsweep.evaluation import Proportion
from mineralsweep.machine import typed_in
from mineralsweep.tracking.client import bare, impatient, patient
from mineralsweep.urls import without_password, without_secrets

T = TypeVar("T")

DEFAULT_FILE = "mlflow.db"
SQLITE = "sqlite:///"
PATIENCE = 60.0
"""Seconds that one call waits for an MLflow that is unreachable."""
DEFAULT_EXPERIMENT = "mineralsweep"
EXPERIMENT_KIND = "mlflow.experimentKind"
OPENINGS = "mineralsweep.test_split_openings"
TEST_DIGEST = "mineralsweep.test_digest"
EXCLUDED = "mineralsweep.excluded"
DIGEST_LENGTH = 36  # of MLflow's dataset digests, at most


@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment that runs go to.

    `given_run` is the run that `mlflow run` made for this process, None without one.
    """

    client: MlflowClient
    uri: str
    experiment_id: str
    experiment: str
    given_run: str | None

    def waiting(self, seconds: float) -> Store:
        """Return the same store, which waits for so many seconds while MLflow is unreachable."""
        return replace(self, client=patient(bare(self.client), seconds))

    def asking_once(self) -> Store:
        """Return the same store, which raises each error at once: for who waits by itself."""
        return replace(self, client=bare(self.client))

    @property
    def is_of_server(self) -> bool:
        """Whether it is behind a server, which takes several requests at once."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def shown_uri(self) -> str:
        """The store's URI without a password."""
        return without_password(self.uri)

    def where(self, run_id: str) -> Store:
        """Return the same store for the experiment of a run: its children belong there too."""
        home = self.client.get_run(run_id).info.experiment_id
        name = self.client.get_experiment(home).name
        return replace(self, experiment_id=home, experiment=name)

    def has_run(self, run_id: str) -> bool:
        """Say whether a run is in this store."""
        try:
            self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return False
        return True

    def run_of_study(self, study: str) -> str:
        """Return the run of a study by its name, in any experiment; "" where there is none."""
        experiments = [one.experiment_id for one in self.client.search_experiments()]
        kinds = ("sweep", "training", "reproduction")
        wanted = f"tags.`mineralsweep.study` = '{study}'"
        for run in self.client.search_runs(experiments, wanted, order_by=["start_time ASC"]):
            tags = run.data.tags
            if tags.get("mineralsweep.kind") in kinds:
                return str(run.info.run_id)
        return ""

    def study_of_run(self, run_id: str) -> str:
        """Return the name of the study that a run belongs to.

        Raises:
            InputError: it belongs to none.
        """
        study = self.client.get_run(run_id).data.tags.get("mineralsweep.study")
        if study is None:
            raise InputError(f"STUDY: run {run_id} is no study's; give the run of a sweep")
        return str(study)

    def new_run(self, name: str, tags: Mapping[str, str], time: int | None = None) -> str:
        """Make a RUNNING run and return its id. `time`: its start in ms since 1970, None: now."""
        # Who, from which program and commit: what MLflow's own start_run would write.
        # A git remote among it may hold a token.
        tags = {key: without_secrets(value) for key, value in {**resolve_tags(), **tags}.items()}
        run = self.client.create_run(self.experiment_id, time, tags, run_name=name)
        return str(run.info.run_id)

    def take_given_run(self, name: str, tags: Mapping[str, str]) -> str:
        """Return `mlflow run`'s own run, renamed and tagged, or a new one."""
        if self.given_run is None:
            return self.new_run(name, tags)
        self.client.update_run(self.given_run, name=name)
        written = self.client.get_run(self.given_run).data.tags
        leaking = {key: value for key, value in written.items() if without_secrets(value) != value}
        self.log(self.given_run, tags={**leaking, **tags})
        return self.given_run

    def log(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write metrics, parameters and tags to a run in one call, without secrets in URLs."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, step) for key, value in (metrics or {}).items()],
            params=[
                Param(key, without_secrets(str(value))) for key, value in (params or {}).items()
            ],
            tags=[RunTag(key, without_secrets(value)) for key, value in (tags or {}).items()],
        )

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Write parameters beside those that `mlflow run` wrote before this process began.

        A parameter can't be written twice: where the run holds the same name with another
        spelling ("auto", 1e-3), what was really used is written under `used.NAME`.
        """
        there = self.client.get_run(run_id).data.params
        fresh = {
            name if name not in there else f"used.{name}": value
            for name, value in params.items()
            if there.get(name) != str(value)
        }
        self.log(run_id, params={k: v for k, v in fresh.items() if k not in there})

    def log_table(self, run_id: str, table: pd.DataFrame, file: str) -> None:
        """Write a table for MLflow's table view, over an earlier one of the same name.

        MLflow's own log_table would append to it.
        """
        self.client.log_text(run_id, table.to_json(orient="split", index=False), file)
        self.log(run_id, tags=self.named_table(run_id, file))

    def named_table(self, run_id: str, file: str) -> dict[str, str]:
        """Return the tag that has MLflow show a run's file as a table, beside its others."""
        tags = self.client.get_run(run_id).data.tags
        listed = json.loads(tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        entry = {"path": file, "type": "table"}
        return {
            MLFLOW_LOGGED_ARTIFACTS: json.dumps(listed if entry in listed else [*listed, entry])
        }

    def log_dataset(self, run_id: str, dataset: Dataset, context: str) -> None:
        """Record a data set, with its digest and its split, as an input of a run."""
        parts = dataset.split
        profile = {
            "source": dataset.source,
            "images": len(dataset.catalog.images),
            "classes": dataset.catalog.counts(),
            "settings": dataset.settings.to_dict(),
            "split": {
                "shares": dataset.shares,
                "seed": dataset.split_seed,
                "digest": parts.digest,
                "train": len(parts.train),
                "validation": len(parts.validation),
                "test": len(parts.test),
            },
        }
        entity = MlflowDataset(
            name=dataset.name,
            digest=dataset.catalog.digest[:DIGEST_LENGTH],
            source_type="local",
            source=json.dumps({"uri": dataset.place()}),
            profile=json.dumps(profile),
        )
        tags = [InputTag("mlflow.data.context", context)]
        try:
            self.client.log_inputs(run_id, [DatasetInput(entity, tags)])
        except MlflowException as error:
            if "unique" not in str(error).lower():
                raise
            # Another run wrote the same new data set at the same moment; now it is there.
            self.client.log_inputs(run_id, [DatasetInput(entity, tags)])

    def note_opening(self, run_id: str, digest: str) -> None:
        """Note on a run that the test split is opened for it, before it is read.

        A session that is killed in between has noted one opening too many, never one too few.

        Args:
            run_id: of the sweep, or of the training.
            digest: of the test split.
        """
        noted = self.client.get_run(run_id).data.tags.get(OPENINGS, "0")
        opened = datetime.now(UTC).isoformat(timespec="seconds")
        tags = {OPENINGS: str(int(noted) + 1), TEST_DIGEST: digest}
        self.log(run_id, tags={**tags, "mineralsweep.test_split_opened": opened})

    def openings(self, digest: str) -> int:
        """Return how often a test split was opened, over all studies of all experiments.

        Deleted runs count: the look was taken.
        """
        experiments = pages(self.client.search_experiments, ViewType.ALL)
        ids = [one.experiment_id for one in experiments]
        wanted = f"tags.`{TEST_DIGEST}` = '{digest}'"
        runs = pages(self.client.search_runs, ids, wanted, ViewType.ALL)
        return sum(int(run.data.tags.get(OPENINGS, "0")) for run in runs)

    def end(self, run_id: str, status: str, time: int | None = None) -> None:
        """End a run: FINISHED, FAILED or KILLED. `time`: in ms since 1970, None: now."""
        self.client.set_terminated(run_id, status, time)


def pages(search: Callable[..., PagedList[T]], *asked: Any) -> list[T]:
    """Return all that a search of MLflow's client finds, page by page."""
    found: list[T] = []
    token: str | None = None
    while True:
        page = search(*asked, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def recall_metrics(recall: Mapping[str, Proportion]) -> dict[str, float]:
    """Return each class's recall on the test split under a name that MLflow takes.

    A folder, and so a class, may be called "quartz (rose)"; a metric may not.
    """
    return {
        "test_recall_" + re.sub(r"[^\w. -]", "_", name): one.value for name, one in recall.items()
    }


def open_store(experiment: str | None = None) -> Store:
    """Open the store of MLFLOW_TRACKING_URI, or mlflow.db in this folder without one.

    Args:
        experiment: its name; None: that of the run which `mlflow run` made, else
            MLFLOW_EXPERIMENT_NAME, else "mineralsweep".

    Raises:
        InputError: the store can't be reached.
    """
    quiet()
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    # Children and libraries must not take the given run for theirs.
    given_run = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        # MLflow makes a new database's tables on first use, and two processes at once get
        # into each other's way.
        # A server that is not there is asked once: MLflow's own way takes minutes.
        with impatient(), files.one_at_a_time(uri):
            client = MlflowClient(uri)
            if given_run is not None:
                experiment_id = client.get_run(given_run).info.experiment_id
                name = client.get_experiment(experiment_id).name
            else:
                name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
                experiment_id = _experiment(client, name)
    except (MlflowException, OSError) as error:
        shown = without_password(uri)
        reason = str(error).splitlines()[0].replace(uri, shown)
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown} can't be used: {reason};"
            f" start the server, or unset the variable to use {DEFAULT_FILE} in this folder"
        ) from error
    _mark_as_model_training(client, experiment_id)
    return Store(client, uri, experiment_id, name, given_run).waiting(PATIENCE)


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, else mlflow.db where the command was typed.

    A file's address is absolute: MLflow keeps one connection an address, wherever the process
    stands now, and `mlflow run` works in another folder than the user.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{DEFAULT_FILE}"
    file = uri.removeprefix(SQLITE)
    if not uri.startswith(SQLITE) or file.startswith("/") or Path(file).is_absolute():
        return uri
    return f"{SQLITE}{typed_in() / file}"


def at(uri: str, run_id: str) -> Store:
    """Return the store at a URI that was open before, in the experiment of one of its runs.

    For a process that another one started: it makes no tables, and takes no given run.
    """
    quiet()
    mlflow.set_tracking_uri(uri)
    return Store(MlflowClient(uri), uri, "", "", None).waiting(PATIENCE).where(run_id)


def _mark_as_model_training(client: MlflowClient, experiment_id: str) -> None:
    """Have MLflow's page open on training runs; unmarked, it opens on traces of chat models."""
    if EXPERIMENT_KIND not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, EXPERIMENT_KIND, "custom_model_development")


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another process was faster
        if found is None:
            raise
        return str(found.experiment_id)


def quiet() -> None:
    """Keep MLflow's and alembic's notes to themselves: the command line speaks for this package."""
    for name in ("mlflow", "alembic", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It would print two lines a run, over the progress line; our last lines say where runs are.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
