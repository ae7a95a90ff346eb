"""A sweep's run: the parent of its trials' runs, and what the reader opens first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pandas as pd
from mlflow.entities import Metric, Run

from mineralsweep.config import Sweep
from mineralsweep.core.record import TrialRecord
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import Scores
from mineralsweep.tracking.children import (
    ATTEMPT,
    WHOLE,
    children,
    is_whole,
    located,
    number_of,
    standing,
)
from mineralsweep.tracking.end import Best
from mineralsweep.tracking.figures import confusion_matrix
from mineralsweep.tracking.outbox import Card
from mineralsweep.tracking.store import Store, recall_metrics
from mineralsweep.tracking.trial_run import REASON, STATE, STUDY, TRIAL, TrialRun

TOKEN = "mineralsweep.token"  # noqa: S105 - it names a run, it opens nothing
DRIVER = "mineralsweep.driver"
INTERRUPTED = "its driver ended before the trial did"
TWICE = "another driver took the trial up, and delivered it"
UNTOLD = "its driver ended before the search knew of it; the trial was run again"


class SweepRun:
    """The parent run of one study.

    Args:
        store: where runs go.
        study: its name, which becomes the run's.
        sweep: the question, with the flags laid over it.
        dataset: what the trials are trained on.
        run_id: the study's parent run from an earlier session, None for a new study.
        told: the numbers of the trials whose end the engine knows.
        waiting: the tokens of runs that the outbox still has something for.
        driver: names the study's folder on this machine; runs of another one are left alone.
    """

    def __init__(
        self,
        store: Store,
        study: str,
        sweep: Sweep,
        dataset: Dataset,
        run_id: str | None = None,
        told: Collection[int] = (),
        waiting: Collection[str] = (),
        driver: str = "",
    ) -> None:
        self._store = store
        self._study = study
        self._driver = driver
        self.dataset = dataset
        tags = {STUDY: study, "mineralsweep.kind": "sweep"}
        self.run_id = self._take_up(run_id, told, waiting) or store.take_given_run(study, tags)
        self._log_question(sweep)

    def start_trial(self, card: Card) -> TrialRun:
        """Make a child run for a trial, or for another attempt at it."""
        tags = {
            "mlflow.parentRunId": self.run_id,
            STUDY: self._study,
            TRIAL: str(card.number),
            ATTEMPT: str(card.attempt),
            TOKEN: card.token,
            DRIVER: self._driver,
            "mineralsweep.kind": "trial",
        }
        name = f"trial-{card.number:03d} {card.architecture}"
        if card.attempt > 1:
            name += f" (attempt {card.attempt})"
        return self.trial(self._store.new_run(name, tags, card.time // 1_000_000), card)

    def start_baseline(self, spec: TrialSpec) -> TrialRun:
        """Make a child run for the baseline, which is no trial of the search."""
        tags = {
            "mlflow.parentRunId": self.run_id,
            STUDY: self._study,
            TRIAL: str(spec.number),
            DRIVER: self._driver,
            "mineralsweep.kind": "baseline",
        }
        run_id = self._store.new_run(f"baseline {spec.architecture_name}", tags)
        run = TrialRun(self._store, run_id, spec.architecture_name, self.dataset)
        run.describe(spec.params())
        return run

    def find_trial(self, card: Card, keep: str = "") -> TrialRun | None:
        """Return the child run that was made for an attempt, None where there is none.

        A request that timed out may have made a second one: `keep` or the first is kept.
        """
        runs = self._store.client.search_runs(
            [self._store.experiment_id], f"tags.`{TOKEN}` = '{card.token}'"
        )
        found = sorted(runs, key=lambda run: (run.info.run_id != keep, run.info.run_id))
        for other in found[1:]:
            self._store.client.delete_run(other.info.run_id)
        return self.trial(found[0].info.run_id, card) if found else None

    def trial(self, run_id: str, card: Card) -> TrialRun:
        """Return a child run that exists."""
        return TrialRun(self._store, run_id, card.architecture, self.dataset)

    def best_so_far(self, best: Best, time: int) -> None:
        """Write the best value after so many ended trials: the sweep's own learning curve.

        At the same time (ms since 1970) the same value stands once, however often it is written.
        """
        metric = Metric(f"sweep_best_{best.metric}", best.value, time, best.ended)
        self._store.client.log_batch(self.run_id, [metric])

    def open_test_split(self, digest: str) -> None:
        """Note an opening of the test split, before it is read; see `Store.note_opening`."""
        self._store.note_opening(self.run_id, digest)

    def log_test(self, scores: Scores, title: str) -> None:
        """Write the champion's scores on the test split."""
        metrics = {
            "test_accuracy": scores.accuracy.value,
            "test_accuracy_low": scores.accuracy.low,
            "test_accuracy_high": scores.accuracy.high,
            "test_images": float(scores.accuracy.n),
            "test_loss": scores.loss,
            "test_macro_f1": scores.macro_f1,
            **recall_metrics(scores.recall),
        }
        self._store.log(self.run_id, metrics=metrics)
        figure = confusion_matrix(scores.confusion, self.dataset.classes, title)
        self._store.client.log_figure(self.run_id, figure, "test_confusion_matrix.png")

    def log_table(self, table: pd.DataFrame, name: str) -> None:
        """Write a table twice: for MLflow's table view, and as CSV."""
        self._store.log_table(self.run_id, table, f"{name}.json")
        self._store.client.log_text(self.run_id, table.to_csv(index=False), f"{name}.csv")

    def log_text(self, text: str, name: str) -> None:
        """Write a text artifact."""
        self._store.client.log_text(self.run_id, text, name)

    def log_file(self, path: Path) -> None:
        """Copy a file to the run's artifacts."""
        self._store.client.log_artifact(self.run_id, str(path))

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags on the run."""
        self._store.log(self.run_id, tags=tags)

    def describe(self, markdown: str) -> None:
        """Set the description that MLflow's page shows."""
        self.tag({"mlflow.note.content": markdown})

    def end(self, status: str) -> None:
        """End the run: FINISHED, FAILED or KILLED."""
        self._store.end(self.run_id, status)

    def located(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """Return the records with the run and the model that stand for each of them in MLflow."""
        return located(self._store, self.run_id, records)

    def undelivered(self, records: Iterable[TrialRecord]) -> list[int]:
        """Return the numbers of the trials that were trained, and have no whole run here."""
        found = standing(children(self._store, self.run_id))
        return [
            record.number
            for record in records
            if record.state != "FAILED"
            and not (record.number in found and is_whole(found[record.number]))
        ]

    def end_abandoned(self) -> None:
        """End the runs that dead drivers on other machines left, once nobody works.

        Of two whole runs of one trial, the last stands. If a dead driver comes back, it delivers
        what it still has, as a failed attempt.
        """
        runs = children(self._store, self.run_id)
        kept = {run.info.run_id for run in standing(runs).values()}
        for child in runs:
            if child.info.status == "RUNNING":
                self._supersede(child.info.run_id, INTERRUPTED)
            elif is_whole(child) and child.info.run_id not in kept:
                self._supersede(child.info.run_id, TWICE)

    def _take_up(
        self, run_id: str | None, told: Collection[int], waiting: Collection[str]
    ) -> str | None:
        """Reopen an earlier session's run, and end the trials that it left unfinished.

        A trial whose run is whole but whose end the engine never heard of is run again: its
        earlier run must not stand beside the new one as a result.
        """
        if run_id is None:
            return None
        self._store.client.update_run(run_id, status="RUNNING")
        if self._store.given_run is not None:
            note = f"Went on with an earlier sweep: its trials are under run {run_id}."
            self._store.log(self._store.given_run, tags={"mlflow.note.content": note})
        for child in children(self._store, run_id):
            if child.data.tags.get(TOKEN) in waiting or not self._is_own(child):
                continue
            if child.info.status == "RUNNING":
                self._supersede(child.info.run_id, INTERRUPTED)
            elif child.info.status in WHOLE and number_of(child) not in told:
                self._supersede(child.info.run_id, UNTOLD)
        return run_id

    def _is_own(self, child: Run) -> bool:
        return child.data.tags.get(DRIVER, self._driver) == self._driver

    def _supersede(self, run_id: str, reason: str) -> None:
        self._store.log(run_id, tags={STATE: "FAILED", REASON: reason})
        self._store.end(run_id, "FAILED")

    def _log_question(self, sweep: Sweep) -> None:
        dataset = self.dataset
        settings = {
            "sweep.data": dataset.name,
            "sweep.split": f"{dataset.shares}, seed {dataset.split_seed}",
            "sweep.folds": sweep.folds,
            "sweep.repeats": sweep.repeats,
            "sweep.trials": sweep.budget.trials,
            "sweep.epochs": sweep.budget.epochs,
            "sweep.patience": sweep.budget.patience,
            "sweep.workers": sweep.workers,
            "sweep.baseline": sweep.baseline,
            "sweep.seed": sweep.seed,
            "sweep.engine": sweep.engine.name,
            "sweep.sampler": sweep.engine.resolved(),
            **{f"sweep.sampler.{k}": one for k, one in sweep.engine.sampler_options.items()},
            "sweep.pruner": sweep.engine.pruner,
            **{f"sweep.pruner.{k}": one for k, one in sweep.engine.pruner_options.items()},
            "sweep.pruner_patience": sweep.engine.pruner_patience,
            **{f"sweep.{name}": value for name, value in sweep.training},
            "sweep.objective": sweep.metric(),
            "sweep.startup_trials": sweep.engine.startup_trials,
            "sweep.image_size": sweep.image_size or "auto",
            "sweep.weights": sweep.weights,
            **{
                f"sweep.space.{name}": one.describe() for name, one in sweep.space.entries().items()
            },
        }
        there = self._store.client.get_run(self.run_id).data.params
        if "sweep.seed" not in there:
            self._store.log(self.run_id, params=settings)
            self._store.log_dataset(self.run_id, dataset, context="sweep")
        self.tag({"mineralsweep.split_digest": dataset.split.digest})

    def _tags(self) -> dict[str, str]:
        return dict(self._store.client.get_run(self.run_id).data.tags)
