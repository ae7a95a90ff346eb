"""The study again: its cells, what is kept, and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mineralsweep.app.cells import PRESETS, Protocol, cells, divided

from mineralsweep.app.reproduce import Reproduced, Reproduction, reproduce
from mineralsweep.config import Training
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import ConfigError, RunError, StudyConflict
from mineralsweep.evaluation import Scores, score
from mineralsweep.models.original import VARIANTS
from mineralsweep.registry.evidence import digest_of_split
from mineralsweep.tracking import open_store
from tests.fakes import FakeExecutor

TWO = ("model2", "model2_1")


def asked(**changes: Any) -> Reproduction:
    settings: dict[str, Any] = {
        "variants": TWO, "protocol": Protocol(2, 2, 3, 2), "study": "again", "workers": 1,
        "training": Training(), "weights": "imagenet", "image_size": (80, 80),
    }  # fmt: skip
    return Reproduction(**{**settings, **changes})


def half_right(folder: Path, dataset: Dataset) -> Scores:
    assert folder.is_dir()
    rows, labels = dataset.split.test, dataset.labels()
    truth = [labels[row] for row in rows]
    found = np.zeros((len(rows), 3), np.float32)
    for place, label in enumerate(truth):
        found[place, label if place % 2 else (label + 1) % 3] = 1
    return score(found, truth, dataset.classes)


class Made:
    """Makes fake executors, and remembers them."""

    def __init__(self, script: Any = lambda spec: 0.5) -> None:
        self.script, self.executors = script, list[FakeExecutor]()

    def __call__(self, workers: int, logs: Path) -> FakeExecutor:
        self.executors.append(FakeExecutor(self.script, workers))
        return self.executors[-1]

    def trained(self) -> int:
        return sum(len(one.specs) for one in self.executors)


def go(dataset: Dataset, made: Made, lines: list[str] | None = None, **changes: Any) -> Reproduced:
    lines = [] if lines is None else lines
    return reproduce(asked(**changes), dataset, lines.append, made, half_right)


def test_the_variants_are_the_studys() -> None:
    assert list(VARIANTS) == ["model1", "model2", "model2_1", "vgg16", "vgg16_fine_tuned"]
    reported = [round(one.right / one.n, 4) for one in VARIANTS.values()]
    assert reported == [0.825, 0.8311, 0.8919, 0.8446, 0.9054]
    model1 = VARIANTS["model1"].network
    assert (model1.optimizer, model1.learning_rate, model1.decay) == ("adam", 1e-4, 1e-5)
    assert (model1.split, model1.epochs, model1.batch_size) == ("72/18/10", 50, 24)


def test_the_first_trainings_of_every_variant_come_first() -> None:
    names = [cell.name for cell in cells([VARIANTS[one] for one in TWO], Protocol(2, 2, 30, 8))]
    assert names[:4] == [
        "model2-split-0-30-epochs", "model2_1-split-0-30-epochs",
        "model2-split-1-30-epochs", "model2_1-split-1-30-epochs",
    ]  # fmt: skip
    assert names[4:6] == ["model2-fold-1-of-2-8-epochs", "model2_1-fold-1-of-2-8-epochs"]
    full = cells([VARIANTS["model1"], VARIANTS["vgg16"]], PRESETS["full"])
    assert {cell.epochs for cell in full if cell.variant.name == "model1"} == {50}
    assert {cell.epochs for cell in full if cell.variant.name == "vgg16"} == {100}


def test_a_fold_is_tested_and_has_no_say_in_its_training(dataset: Dataset) -> None:
    tested: list[int] = []
    for cell in cells([VARIANTS["model2"]], Protocol(0, 3)):
        parts = divided(cell, dataset).split
        together = parts.train + parts.validation + parts.test
        assert sorted(together) == list(range(30))
        assert len(parts.validation) in (4, 5)
        tested += parts.test
    assert sorted(tested) == list(range(30))


def test_a_split_has_the_studys_shares_and_its_own_seed(dataset: Dataset) -> None:
    first, second = (divided(cell, dataset) for cell in cells([VARIANTS["model2"]], Protocol(2, 0)))
    assert first.shares == second.shares == "40/20/40"
    assert len(first.split.test) == 12
    assert first.split.test != second.split.test


@pytest.mark.usefixtures("store_made")
def test_the_table_stands_beside_the_studys_and_in_mlflow(dataset: Dataset) -> None:
    made, lines = Made(), list[str]()
    outcome = go(dataset, made, lines)
    assert made.trained() == 8
    assert [spec.epochs for spec in made.executors[0].specs] == [3] * 4 + [2] * 4
    row = outcome.table.iloc[1]
    assert row["variant"] == "model 2.1"
    assert row["original: test accuracy"] == "0.892 [0.832, 0.932], n = 148"
    assert row["ours: splits of the same shares"].startswith("0.500 ± 0.000 over 2 splits")
    assert "over 2 folds" in row["ours: folds of all images"]
    assert row["epochs"] == "3 / 2"
    assert "Test parts read: 8, each once" in outcome.markdown
    client = open_store().client
    parent = client.get_run(outcome.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mineralsweep.test_parts_read"] == "8"
    assert {"study.json", "study.csv", "study.md"} == {
        file.path for file in client.list_artifacts(outcome.run_id)
    }
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{outcome.run_id}'"
    )
    assert len(children) == 8
    first = divided(cells([VARIANTS["model2"]], Protocol(1, 0))[0], dataset)
    # Two variants have read the test part of split 0: it counts for sweeps with that split too.
    assert open_store().openings(digest_of_split(first)) == 2
    assert {run.data.metrics["test_accuracy"] for run in children} <= {0.5, 7 / 15}
    assert "[8/8] model2_1-fold-2-of-2-2-epochs: test accuracy" in lines[-1]


@pytest.mark.usefixtures("store_made")
def test_the_same_call_goes_on_where_it_was(dataset: Dataset) -> None:
    def stop_at_the_third(spec: Any) -> float:
        if spec.number == 2:
            raise KeyboardInterrupt
        return 0.5

    protocol = Protocol(1, 2, 3, 2)
    with pytest.raises(KeyboardInterrupt):
        go(dataset, Made(stop_at_the_third), protocol=protocol)
    kept = json.loads(Path(".mineralsweep/studies/again/reproduction.json").read_text())
    assert list(kept["trainings"]) == ["model2-split-0-3-epochs", "model2_1-split-0-3-epochs"]
    made, lines = Made(), list[str]()
    outcome = go(dataset, made, lines, protocol=protocol)
    assert made.trained() == 4
    states = {spec.checkpoint for spec in made.executors[0].specs}
    assert len(states) == 4  # each training's own, kept while it is not done
    assert outcome.run_id == kept["run_id"]
    assert "6 trainings, 1 at a time; 2 are there already" in lines[0]
    assert made.executors[0].closed
    again = Made()
    assert go(dataset, again, protocol=protocol).table.equals(outcome.table)
    assert again.trained() == 0


@pytest.mark.usefixtures("store_made")
def test_a_training_that_fails_is_said_and_tried_again_next_time(dataset: Dataset) -> None:
    one = {"variants": ("model2",), "protocol": Protocol(2, 0, 2)}
    outcome = go(dataset, Made(lambda spec: "no memory" if spec.number else 0.5), **one)
    assert outcome.failed == {"model2-split-1-2-epochs": "no memory"}
    assert "Failed: model2-split-1-2-epochs: no memory" in outcome.markdown
    assert "n = 12, 1 split" in outcome.table.iloc[0]["ours: splits of the same shares"]
    again = Made()
    assert not go(dataset, again, **one).failed
    assert again.trained() == 1


@pytest.mark.usefixtures("store_made")
def test_where_every_training_fails_there_is_no_table(dataset: Dataset) -> None:
    with pytest.raises(RunError, match="no training succeeded: no memory"):
        go(dataset, Made(lambda spec: "no memory"), protocol=Protocol(1, 0, 1))


@pytest.mark.usefixtures("store_made")
def test_without_weights_vgg16_says_so(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mineralsweep.models.weights._download", lambda: None)
    made = Made()
    outcome = go(
        dataset, made, variants=("model2", "vgg16"), protocol=Protocol(1, 0, 1)
    )  # fmt: skip
    assert made.trained() == 1
    row = outcome.table.iloc[1]
    assert row["ours: splits of the same shares"] == "needs ImageNet weights"
    assert row["original: loss"] == "32.59"


@pytest.mark.usefixtures("store_made")
def test_other_data_or_settings_are_refused(dataset: Dataset) -> None:
    small = {"variants": ("model2",), "protocol": Protocol(1, 0, 1)}
    go(dataset, Made(), **small)
    with pytest.raises(StudyConflict, match="precision: was auto, is float32"):
        go(dataset, Made(), **small, training=Training(precision="float32"))


def test_an_unknown_variant_is_refused(dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"--variants: unknown variant 'model2_2'; did you mean"):
        go(dataset, Made(), variants=("model2_2",))
