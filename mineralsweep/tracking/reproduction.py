"""The runs of a reproduction: a parent with the table, a child run a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mineralsweep.core.trial import EpochReport, TrialResult, TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import Scores
from mineralsweep.tracking import figures
from mineralsweep.tracking.store import Store, recall_metrics
from mineralsweep.tracking.trial_run import STUDY
from mineralsweep.urls import without_secrets

OPENINGS = "mineralsweep.test_parts_read"


class ReproductionRun:
    """The parent run.

    Args:
        store: where runs go.
        study: the reproduction's name, which becomes the run's.
        dataset: what is trained on.
        settings: written as parameters of a new run.
        run_id: of an earlier session, None for a new reproduction.
    """

    def __init__(
        self,
        store: Store,
        study: str,
        dataset: Dataset,
        settings: Mapping[str, Any],
        run_id: str | None = None,
    ) -> None:
        self._store, self._study = store, study
        tags = {STUDY: study, "mineralsweep.kind": "reproduction"}
        self.run_id = run_id or store.take_given_run(study, tags)
        if run_id is None:
            store.log_params(self.run_id, settings)
            store.log_dataset(self.run_id, dataset, context="reproduction")
        else:
            store.client.update_run(run_id, status="RUNNING")

    def open_test_part(self, name: str, dataset: Dataset, digest: str) -> str:
        """Make the run of a training that ended, before its test part is read; return its id.

        The reading counts among the openings of that test split.

        Args:
            name: of the run.
            dataset: with the training's own division.
            digest: of the test part.
        """
        tags = {
            "mlflow.parentRunId": self.run_id,
            STUDY: self._study,
            "mineralsweep.kind": "reproduced training",
            "mineralsweep.split_digest": dataset.split.digest,
        }
        run_id = self._store.new_run(name, tags)
        self._store.note_opening(run_id, digest)
        return run_id

    def training(
        self, run_id: str, spec: TrialSpec, dataset: Dataset, result: TrialResult, test: Scores
    ) -> None:
        """Fill a training's run, with its scores on the test part, and end it.

        Args:
            run_id: of `open_test_part`.
            spec: what was trained.
            dataset: with the training's own division.
            result: of the training.
            test: scores on the test part.
        """
        self._store.log_params(run_id, {**spec.params(), "precision": result.precision})
        self._store.log_dataset(run_id, dataset, context="training, validation and test")
        for report in result.history:
            self._store.log(run_id, metrics=report.metrics(), step=report.epoch)
        self._store.log(run_id, metrics=_metrics(result, test))
        client = self._store.client
        client.log_figure(run_id, _curves(result.history, result.best_epoch), "learning_curves.png")
        matrix = figures.confusion_matrix(test.confusion, dataset.classes, "test part")
        client.log_figure(run_id, matrix, "test_confusion_matrix.png")
        self._store.end(run_id, "FINISHED")

    def broke(self, run_id: str) -> None:
        """End the run of a training whose test part could not be read to its end."""
        self._store.end(run_id, "FAILED")

    def failed(self, name: str, reason: str, log: str) -> None:
        """Write a training that failed, with its reason and what the worker printed last."""
        tags = {
            "mlflow.parentRunId": self.run_id,
            STUDY: self._study,
            "mineralsweep.reason": reason,
        }
        run_id = self._store.new_run(name, tags)
        if log:
            self._store.client.log_text(run_id, without_secrets(log), "worker.log")
        self._store.end(run_id, "FAILED")

    def table(self, table: pd.DataFrame, markdown: str, read: int) -> None:
        """Write the table three times (for MLflow's table view, as CSV, as Markdown).

        Args:
            table: as far as it is filled.
            markdown: the same, with what has to be said beside it.
            read: test parts that were read so far, each once.
        """
        self._store.log_table(self.run_id, table, "study.json")
        self._store.client.log_text(self.run_id, table.to_csv(index=False), "study.csv")
        self._store.client.log_text(self.run_id, markdown, "study.md")
        tags = {"mlflow.note.content": markdown, OPENINGS: str(read)}
        self._store.log(self.run_id, tags=tags)

    def end(self, status: str) -> None:
        """End the run: FINISHED, FAILED or KILLED."""
        self._store.end(self.run_id, status)


def _metrics(result: TrialResult, test: Scores) -> dict[str, float]:
    return {
        "best_epoch": result.best_epoch,
        "test_accuracy": test.accuracy.value,
        "test_accuracy_low": test.accuracy.low,
        "test_accuracy_high": test.accuracy.high,
        "test_images": test.accuracy.n,
        "test_loss": test.loss,
        "test_macro_f1": test.macro_f1,
        "training_seconds": result.seconds,
        **result.sizes(),
        **recall_metrics(test.recall),
    }


def _curves(history: Sequence[EpochReport], best_epoch: int) -> Any:
    return figures.learning_curves(
        {"loss": [r.train_loss for r in history], "accuracy": [r.train_accuracy for r in history]},
        {"loss": [r.val_loss for r in history], "accuracy": [r.val_accuracy for r in history]},
        best_epoch,
    )
