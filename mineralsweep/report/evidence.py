"""What a report is made from: a study's records, its data, and what MLflow holds of its trials."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Run
from numpy.typing import NDArray

from mineralsweep.config import Sweep
from mineralsweep.core.record import BASELINE, TrialRecord, ranked
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.decode import Pixels
from mineralsweep.evaluation import Scores, score
from mineralsweep.registry import Crowned, Versions
from mineralsweep.registry.evidence import digest_of_split
from mineralsweep.registry.names import uri_of
from mineralsweep.tracking import Store

PREDICTIONS = "validation_predictions.json"
CURVES = ("loss", "accuracy")


@dataclass(frozen=True)
class Predictions:
    """What a model answered for some images.

    `rows` are the images' places in the catalogue, `labels` their true classes, and
    `probabilities` float64 (n, classes), rounded to 4 digits as they are kept.
    """

    rows: tuple[int, ...]
    labels: tuple[int, ...]
    probabilities: NDArray[np.float64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which images were recognised."""
        found: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == np.asarray(self.labels)
        return found


@dataclass(frozen=True)
class Evidence:
    """A finished study. What stands in MLflow is read when a section of the report asks for it.

    Attributes:
        study: its name.
        sweep: the question, with the flags laid over it.
        dataset: what the trials were trained on.
        records: of all trials.
        crowned: the champion with its scores on the test split.
        store: where the runs are.
        run_id: of the sweep's run.
        left_out: architectures that could not be tried, with the reason.
        baseline: what every trial has to beat, fitted on the same images; None without one.
    """

    study: str
    sweep: Sweep
    dataset: Dataset
    records: tuple[TrialRecord, ...]
    crowned: Crowned
    store: Store
    run_id: str
    left_out: tuple[str, ...] = ()
    baseline: TrialRecord | None = None

    @property
    def best(self) -> TrialRecord:
        """The champion's trial."""
        return self.crowned.record

    @property
    def lines(self) -> tuple[TrialRecord, ...]:
        """What stands on the leaderboard: all trials and the baseline."""
        return self.records if self.baseline is None else (*self.records, self.baseline)

    @property
    def part(self) -> str:
        """What the trials were judged on, in a few words."""
        if self.sweep.folds == 1:
            return "validation split"
        repeats = f" x {self.sweep.repeats}" if self.sweep.repeats > 1 else ""
        return f"{self.sweep.folds} folds{repeats}"

    @cached_property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The complete trials, best first; the baseline among them where it was chosen."""
        chosen = self.best.number == BASELINE
        order = ranked(list(self.lines if chosen else self.records), self.sweep.objective)
        return tuple(record for record in order if record.state == "COMPLETE")

    @cached_property
    def runs(self) -> dict[int, Run]:
        """The runs of the trials by number; of a trial tried again, the one that counts."""
        from mineralsweep.tracking.children import children, standing

        return standing(children(self.store, self.run_id))

    def curves(self, number: int) -> dict[str, list[float]]:
        """Return a trial's train_ and val_ loss and accuracy, one value an epoch."""
        run_id = self.runs[number].info.run_id
        found = {}
        for name in (f"{part}_{metric}" for metric in CURVES for part in ("train", "val")):
            by_step = {m.step: m.value for m in self.store.client.get_metric_history(run_id, name)}
            found[name] = [by_step[step] for step in sorted(by_step) if step > 0]
        return found

    def predictions(self, number: int) -> Predictions:
        """Return what a trial answered for images that it was not trained on."""
        with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
            run_id = self.runs[number].info.run_id
            text = Path(
                self.store.client.download_artifacts(run_id, PREDICTIONS, scratch)
            ).read_text()
        data = json.loads(text)
        table = pd.DataFrame(data["data"], columns=data["columns"])
        every = self.dataset.files(range(len(self.dataset.catalog.images)))
        places = {name: row for row, name in enumerate(every)}
        classes = self.dataset.classes
        return Predictions(
            rows=tuple(places[name] for name in table["file"]),
            labels=tuple(classes.index(name) for name in table["label"]),
            probabilities=table[[f"p_{name}" for name in classes]].to_numpy(np.float64),
        )

    @cached_property
    def validation(self) -> Predictions:
        """The champion's answers on the validation split."""
        return self.predictions(self.best.number)

    @cached_property
    def test(self) -> Predictions | None:
        """The champion's answers on the test split, as they were kept when it was opened."""
        versions = Versions(self.store, self.sweep.gate.model)
        run_id = self.runs[self.best.number].info.run_id
        kept = versions.kept_evidence(run_id, digest_of_split(self.dataset))
        if kept is None:
            return None
        rows = {image.digest: row for row, image in enumerate(self.dataset.catalog.images)}
        columns = [kept.classes.index(name) for name in self.dataset.classes]
        return Predictions(
            rows=tuple(rows[image] for image in kept.images),
            labels=tuple(columns.index(label) for label in kept.labels),
            probabilities=kept.probabilities[:, columns].astype(np.float64),
        )

    def validation_scores(self) -> Scores:
        """Return the champion's scores on the validation split."""
        found = self.validation
        return score(found.probabilities.astype(np.float32), found.labels, self.dataset.classes)

    def pixels(self, rows: tuple[int, ...], size: tuple[int, int] | None = None) -> list[Pixels]:
        """Return images at the size that the champion saw: uint8 (height, width, 3)."""
        height_width = size or self.sweep.size_for(str(self.best.params["architecture"]))
        images = arrays.load(self.dataset.arrays(height_width))
        return [np.asarray(images[row]) for row in rows]

    @contextmanager
    def champion_files(self) -> Iterator[Path]:
        """Give a copy of the champion's model, as it was logged, that is removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
            uri = uri_of(self.sweep.gate.model, self.crowned.version)
            yield Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))
