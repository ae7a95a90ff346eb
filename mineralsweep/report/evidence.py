"""What a report is made from: a study's records, its data, and what MLflow holds of its trials."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mineralsweep.config import Sweep
from mineralsweep.core.cost import chosen
from mineralsweep.core.record import TrialRecord, ranked
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.decode import Pixels
from mineralsweep.evaluation import Scores, score

if TYPE_CHECKING:
    from mlflow.entities import Run

    from mineralsweep.registry import Crowned
    from mineralsweep.registry import Evidence as Answers
    from mineralsweep.tracking import Store


@dataclass(frozen=True)
class Predictions:
    """What a model answered for some images.

    `rows` are the images' places in the catalogue, `labels` their true classes, and
    `probabilities` float64 (n, classes), rounded to 4 digits as MLflow holds them. `missing` are
    the files of images that are not in the catalogue any more: they have no row.
    """

    rows: tuple[int, ...]
    labels: tuple[int, ...]
    probabilities: NDArray[np.float64]
    missing: tuple[str, ...] = ()

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which images were recognised."""
        found: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == np.asarray(self.labels)
        return found


@dataclass(frozen=True)
class Evidence:
    """A finished study. What MLflow holds is read when a section of the report asks for it.

    It can be pickled: a report is made in a process of its own, which opens the store itself.

    Attributes:
        study: its name.
        sweep: the question, with the flags laid over it.
        dataset: what the trials were trained on.
        records: of all trials.
        crowned: the champion with its scores on the test split.
        tracking_uri: of the store that holds the runs.
        run_id: of the sweep's run.
        left_out: architectures that could not be tried, with the reason.
        baseline: colour_texture with its defaults, on the same images; None without one.
    """

    study: str
    sweep: Sweep
    dataset: Dataset
    records: tuple[TrialRecord, ...]
    crowned: Crowned
    tracking_uri: str
    run_id: str
    left_out: tuple[str, ...] = ()
    baseline: TrialRecord | None = None

    @property
    def best(self) -> TrialRecord:
        """The champion's trial."""
        return self.crowned.record

    @property
    def best_trial(self) -> TrialRecord | None:
        """The best trial of the search, which the baseline may have beaten; None without one.

        Of several objectives: the trial that was chosen.
        """
        sweep = self.sweep
        return chosen(self.records, sweep.objective, sweep.costs, sweep.tolerance)

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
        """The complete trials and the baseline, best first."""
        order = ranked(self.lines, self.sweep.objective)
        return tuple(record for record in order if record.state == "COMPLETE")

    @cached_property
    def store(self) -> Store:
        """The store, opened in the experiment of the sweep's run."""
        from mineralsweep.tracking.store import at

        return at(self.tracking_uri, self.run_id)

    @cached_property
    def runs(self) -> dict[int, Run]:
        """The runs of the trials by number; of a trial tried again, the one that counts."""
        from mineralsweep.tracking.study_run import standing, trial_runs

        return standing(trial_runs(self.store, self.run_id))

    def curves(self, number: int) -> dict[str, tuple[list[float], list[float]]]:
        """Return metric -> its values in training and in validation, one an epoch.

        Loss, accuracy and the objective, those that MLflow holds.
        """
        names = dict.fromkeys(("loss", "accuracy", self.sweep.objective))
        curves = {name: (self._curve(number, "train", name), self._curve(number, "val", name))
                  for name in names}  # fmt: skip
        return {name: both for name, both in curves.items() if both[1]}

    def _curve(self, number: int, part: str, name: str) -> list[float]:
        run_id = self.runs[number].info.run_id
        points = self.store.client.get_metric_history(run_id, f"{part}_{name}")
        by_step = {point.step: point.value for point in points}
        return [by_step[step] for step in sorted(by_step) if step > 0]

    def predictions(self, number: int) -> Predictions:
        """Return what a trial answered for images that it was not trained on."""
        if number not in self._predictions:
            self._predictions[number] = self._located(self._table(number))
        return self._predictions[number]

    @cached_property
    def _predictions(self) -> dict[int, Predictions]:
        return {}

    def _table(self, number: int) -> pd.DataFrame:
        from mineralsweep.tracking.artifacts import PREDICTIONS

        with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
            run_id = self.runs[number].info.run_id
            file = self.store.client.download_artifacts(run_id, PREDICTIONS, scratch)
            data = json.loads(Path(file).read_text(encoding="utf-8"))
        return pd.DataFrame(data["data"], columns=data["columns"])

    def _located(self, table: pd.DataFrame) -> Predictions:
        """Find each image by its digest, by its file's name where an older run has none."""
        images, classes = self.dataset.catalog.images, self.dataset.classes
        if "digest" in table:
            keys, names = table["digest"], [image.digest for image in images]
        else:
            keys, names = table["file"], self.dataset.files(range(len(images)))
        places = keys.map({name: row for row, name in enumerate(names)})
        there = table[places.notna()]
        return Predictions(
            rows=tuple(int(row) for row in places.dropna()),
            labels=tuple(classes.index(name) for name in there["label"]),
            probabilities=there[[f"p_{name}" for name in classes]].to_numpy(np.float64),
            missing=tuple(str(name) for name in table["file"][places.isna()]),
        )

    @cached_property
    def validation(self) -> Predictions:
        """The champion's answers on the validation split."""
        return self.predictions(self.best.number)

    @cached_property
    def answers(self) -> Answers | None:
        """What the champion is judged by, as it was kept when the test split was opened."""
        from mineralsweep.registry import Versions
        from mineralsweep.registry.evidence import digest_of_split

        versions = Versions(self.store, self.sweep.gate.model)
        run_id = self.runs[self.best.number].info.run_id
        return versions.kept_evidence(run_id, digest_of_split(self.dataset))

    @cached_property
    def test(self) -> Predictions | None:
        """The champion's answers on the test split."""
        answers = self.answers
        if answers is None:
            return None
        rows = {image.digest: row for row, image in enumerate(self.dataset.catalog.images)}
        columns = [answers.classes.index(name) for name in self.dataset.classes]
        return Predictions(
            rows=tuple(rows[image] for image in answers.images),
            labels=tuple(columns.index(label) for label in answers.labels),
            probabilities=answers.probabilities[:, columns].astype(np.float64),
        )

    def validation_scores(self) -> Scores:
        """Return the champion's scores on the validation split."""
        shown = self.validation
        return score(
            shown.probabilities.astype(np.float32),
            shown.labels,
            self.dataset.classes,
            [self.dataset.groups[row] for row in shown.rows],
        )

    def pixels(self, rows: tuple[int, ...], size: tuple[int, int] | None = None) -> list[Pixels]:
        """Return images at the size that the champion saw: uint8 (height, width, 3)."""
        params = self.best.params
        own = self.sweep.size_for(str(params["architecture"]), params.get("image_size"))
        images = arrays.load(self.dataset.arrays(size or own))
        return [np.asarray(images[row]) for row in rows]

    @contextmanager
    def champion_files(self) -> Iterator[Path]:
        """Give a copy of the champion's model, as it was trained, that is removed afterwards."""
        import mlflow

        uri = f"models:/{self.crowned.record.model_id}"
        with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
            yield Path(
                mlflow.artifacts.download_artifacts(
                    uri, dst_path=scratch, tracking_uri=self.store.uri
                )
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was read from MLflow, and the open store."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
