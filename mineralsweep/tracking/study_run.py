"""A study's run: the parent of its trials' runs, and what the reader opens first."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pandas as pd
from mlflow.entities import Metric, Run, ViewType

from mineralsweep.config import Sweep
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import Scores
from mineralsweep.tracking.figures import confusion_matrix
from mineralsweep.tracking.outbox import Best, Card
from mineralsweep.tracking.store import Store, pages, recall_metrics
from mineralsweep.tracking.trial_run import MODEL, REASON, STATE, STUDY, TRIAL, TrialRun

ATTEMPT = "mineralsweep.attempt"
KIND = "mineralsweep.kind"
TOKEN = "mineralsweep.token"  # noqa: S105 - it names a run, it opens nothing
PARENT = "mlflow.parentRunId"
WHOLE = ("FINISHED", "KILLED")
"""How the run of a trial that was trained ends: KILLED where it was pruned."""

INTERRUPTED = "its driver ended before the trial did"
UNTOLD = "its driver ended before the search knew of it; the trial was run again"


class StudyRun:
    """The run of one study, and the runs of its trials under it.

    A single training has one run for both, as long as its first attempt goes well.

    Args:
        store: where runs go.
        study: its name, which becomes the run's.
        kind: "sweep", "training" or "reproduction".
        divided: a trial's division -> the data set as the trial has it; "": as the study has it.
        run_id: of an earlier session, "" for a new study.
    """

    def __init__(
        self,
        store: Store,
        study: str,
        kind: str,
        divided: Callable[[str], Dataset],
        run_id: str = "",
    ) -> None:
        self._store = store
        self._study = study
        self._kind = kind
        self._divided = divided
        self._one_at_a_time = threading.Lock()
        self.run_id = run_id or store.take_given_run(study, {STUDY: study, KIND: kind})

    @property
    def dataset(self) -> Dataset:
        """The data set with the study's own division."""
        return self._divided("")

    def dataset_of(self, card: Card) -> Dataset:
        """Return the data set as a trial has it."""
        return self._divided(str(card.params.get("division", "")))

    @property
    def is_of_server(self) -> bool:
        """See `Store.is_of_server`."""
        return self._store.is_of_server

    def asking_once(self) -> Self:
        """Return the same run; each error of MLflow's is raised at once."""
        other = copy.copy(self)
        other._store = self._store.asking_once()
        return other

    def describe_study(self, params: Mapping[str, Any]) -> None:
        """Write the study's settings and its data set, once."""
        there = self._store.client.get_run(self.run_id)
        if not (there.inputs and there.inputs.dataset_inputs):
            self._store.log_params(self.run_id, params)
            self._store.log_dataset(self.run_id, self.dataset, context=self._kind)
        self.tag({"mineralsweep.split_digest": self.dataset.split.digest})

    def go_on(self, told: Collection[int], waiting: Collection[str]) -> None:
        """Reopen an earlier session's run, and end the trials that it left unfinished.

        A trial whose run is whole but whose end the engine never heard of is run again: its
        earlier run must not stand beside the new one as a result.

        Args:
            told: the numbers of the trials whose end is known.
            waiting: the tokens of runs that the outbox still has something for.
        """
        self._store.client.update_run(self.run_id, status="RUNNING")
        if self._store.given_run not in (None, self.run_id):
            note = f"Went on with an earlier study: its trials are under run {self.run_id}."
            self._store.log(str(self._store.given_run), tags={"mlflow.note.content": note})
        for run in self._trials():
            if run.info.run_id == self.run_id or run.data.tags.get(TOKEN) in waiting:
                continue
            if run.info.status == "RUNNING":
                self._supersede(run.info.run_id, INTERRUPTED)
            elif run.info.status in WHOLE and TRIAL in run.data.tags and number_of(run) not in told:
                self._supersede(run.info.run_id, UNTOLD)

    def start_trial(self, card: Card) -> TrialRun:
        """Make a run for a trial, or for another attempt at it."""
        kind = "baseline" if card.number == BASELINE else "trial"
        tags = {
            STUDY: self._study,
            TRIAL: str(card.number),
            ATTEMPT: str(card.attempt),
            TOKEN: card.token,
        }
        if self._kind == "training" and card.attempt == 1:
            self.tag(tags)
            return self._trial(self.run_id, card)
        name = f"trial-{card.number:03d} {card.architecture}"
        if kind == "baseline":
            name = f"baseline {card.architecture}"
        if card.attempt > 1:
            name += f" (attempt {card.attempt})"
        tags |= {PARENT: self.run_id, KIND: kind}
        return self._trial(self._store.new_run(name, tags, card.time // 1_000_000), card)

    def find_trial(self, card: Card, keep: str = "") -> TrialRun | None:
        """Return the run that was made for an attempt, None where there is none.

        A request that timed out may have made a second one: `keep` or the first is kept.
        """
        runs = self._store.client.search_runs(
            [self._store.experiment_id], f"tags.`{TOKEN}` = '{card.token}'"
        )
        found = sorted(runs, key=lambda run: (run.info.run_id != keep, run.info.run_id))
        for other in found[1:]:
            self._store.client.delete_run(other.info.run_id)
        return self._trial(found[0].info.run_id, card) if found else None

    def _trial(self, run_id: str, card: Card) -> TrialRun:
        return TrialRun(self._store, run_id, self.dataset_of(card))

    def best_so_far(self, best: Best, time: int) -> None:
        """Write the best value after so many ended trials: the sweep's own learning curve.

        At the same time (ms since 1970) the same value stands once, however often it is written.
        """
        metric = Metric(f"sweep_best_{best.metric}", best.value, time, best.ended)
        with self._one_at_a_time:  # a metric's first value must not be written twice at once
            self._store.client.log_batch(self.run_id, [metric])

    def log_test(self, scores: Scores, title: str, run_id: str = "") -> None:
        """Write scores on a test split, on the study's run or on a trial's."""
        run_id = run_id or self.run_id
        macro_f1 = objectives.get("macro_f1").interval(
            scores.confusion, scores.loss, scores.independent
        )
        metrics = {
            "test_accuracy": scores.accuracy.value,
            "test_accuracy_low": scores.accuracy.low,
            "test_accuracy_high": scores.accuracy.high,
            "test_images": float(scores.accuracy.n),
            "test_loss": scores.loss,
            "test_macro_f1": scores.macro_f1,
            **(
                {"test_macro_f1_low": macro_f1.low, "test_macro_f1_high": macro_f1.high}
                if macro_f1
                else {}
            ),
            **recall_metrics(scores.recall),
        }
        self._store.log(run_id, metrics=metrics)
        figure = confusion_matrix(scores.confusion, self.dataset.classes, title)
        self._store.client.log_figure(run_id, figure, "test_confusion_matrix.png")

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
        runs = standing(self._trials())
        return [
            replace(
                record,
                run_id=runs[record.number].info.run_id,
                model_id=runs[record.number].data.tags.get(MODEL),
            )
            if record.number in runs
            else record
            for record in records
        ]

    def _trials(self) -> list[Run]:
        runs = trial_runs(self._store, self.run_id)
        own = [self._store.client.get_run(self.run_id)] if self._kind == "training" else []
        return [*own, *runs]

    def _supersede(self, run_id: str, reason: str) -> None:
        self._store.log(run_id, tags={STATE: "FAILED", REASON: reason})
        self._store.end(run_id, "FAILED")


def sweep_params(sweep: Sweep, dataset: Dataset) -> dict[str, Any]:
    """Return a sweep's settings as its run shows them; what was left open is not among them."""
    settings = {
        "sweep.data": dataset.name,
        "sweep.split": f"{dataset.shares}, seed {dataset.split_seed}",
        "sweep.groups": dataset.settings.groups and str(dataset.settings.groups),
        "sweep.min_images": dataset.settings.min_images or None,
        "sweep.kept_in_test": len(dataset.settings.in_test) or None,
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
        "sweep.image_size": sweep.image_size,
        "sweep.weights": sweep.weights,
        **{f"sweep.space.{name}": one.describe() for name, one in sweep.space.entries().items()},
    }
    return {name: value for name, value in settings.items() if value not in (None, "auto")}


def trial_runs(store: Store, run_id: str) -> list[Run]:
    """Return the runs under a study's run; those that the user deleted are not among them."""
    experiment = store.client.get_run(run_id).info.experiment_id
    wanted = f"tags.`{PARENT}` = '{run_id}'"
    return pages(store.client.search_runs, [experiment], wanted, ViewType.ACTIVE_ONLY)


def standing(runs: Iterable[Run]) -> dict[int, Run]:
    """Return, by trial, the run that stands for it: its last whole attempt, else its last one."""
    return {number_of(run): run for run in sorted(runs, key=_attempt) if TRIAL in run.data.tags}


def number_of(run: Run) -> int:
    """Return the number of a run's trial."""
    return int(run.data.tags[TRIAL])


def _attempt(run: Run) -> tuple[bool, int]:
    return run.info.status in WHOLE, int(run.data.tags.get(ATTEMPT, "1"))
