"""The original study again: its trainings as trials of one study, and the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.app import reproduce as module
from mineralsweep.app.reproduce import Protocol, Reproduced, cells, request
from mineralsweep.app.session import Request
from mineralsweep.cli.reproduce import PRESETS
from mineralsweep.config import build
from mineralsweep.data.dataset import Dataset, Division
from mineralsweep.errors import ConfigError, RunError, StudyConflict
from mineralsweep.evaluation import Scores, score
from mineralsweep.executors import EXECUTORS
from mineralsweep.models.original import VARIANTS
from mineralsweep.search.state import State
from mineralsweep.tracking import open_store
from tests.fakes import FakeExecutor, Watcher

TWO = ("model2", "model2_1")
SMALL = Protocol(TWO, 2, 2, 3, 2)


def half_right(session: Any, record: Any, dataset: Dataset) -> Scores:
    labels = dataset.labels()
    truth = [labels[row] for row in dataset.split.test]
    found = np.zeros((len(truth), 3), np.float32)
    for place, label in enumerate(truth):
        found[place, label if place % 2 else (label + 1) % 3] = 1
    return score(found, truth, dataset.classes)


class Bench:
    """Reproductions on one folder of pictures, with an executor that trains nothing."""

    def __init__(self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
        self.executor = FakeExecutor(lambda spec: 0.5)
        self._source = dataset.source
        self.lines: list[str] = []
        monkeypatch.setitem(EXECUTORS, "local", lambda *_: self.executor)

    def request(self, protocol: Protocol = SMALL, study: str = "again", **changes: Any) -> Request:
        raw = {
            "question": "What does the original give again?",
            "space": {"architecture": "model2"},
            "data": {"source": self._source},
            "image_size": 80,
            **changes,
        }
        return request(protocol, build(raw, "test"), study)

    def go(
        self, protocol: Protocol = SMALL, script: Any = lambda spec: 0.5, **more: Any
    ) -> Reproduced:
        self.executor = FakeExecutor(script)
        self.lines.clear()
        return module.reproduce(
            self.request(protocol, **more), Watcher(), self.lines.append, half_right
        )

    def trained(self) -> int:
        return len(self.executor.specs)


@pytest.fixture
def bench(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, store_made: Path) -> Bench:
    return Bench(dataset, monkeypatch)


def test_the_variants_are_the_original_s() -> None:
    assert list(VARIANTS) == ["model1", "model2", "model2_1", "vgg16", "vgg16_fine_tuned"]
    reported = [round(one.right / one.n, 4) for one in VARIANTS.values()]
    assert reported == [0.825, 0.8311, 0.8919, 0.8446, 0.9054]
    model1 = VARIANTS["model1"].network
    assert (model1.optimizer, model1.learning_rate, model1.decay) == ("adam", 1e-4, 1e-5)
    assert (model1.split, model1.epochs, model1.batch_size) == ("72/18/10", 50, 24)


def test_the_first_trainings_of_every_variant_come_first() -> None:
    places = [(cell.variant.name, str(cell.division), cell.epochs) for cell in cells(SMALL)]
    assert places[:4] == [
        ("model2", "40/20/40, seed 0", 3), ("model2_1", "40/20/40, seed 0", 3),
        ("model2", "40/20/40, seed 1", 3), ("model2_1", "40/20/40, seed 1", 3),
    ]  # fmt: skip
    assert places[4:6] == [("model2", "fold 1 of 2", 2), ("model2_1", "fold 1 of 2", 2)]
    full = list(cells(replace(PRESETS["full"], variants=("model1", "vgg16"))))
    assert {cell.epochs for cell in full if cell.variant.name == "model1"} == {50}
    assert {cell.epochs for cell in full if cell.variant.name == "vgg16"} == {100}


def test_a_fold_is_tested_and_has_no_say_in_its_training(dataset: Dataset) -> None:
    tested: list[int] = []
    for fold in (1, 2, 3):
        parts = Division(fold=fold, of=3).apply(dataset).split
        together = parts.train + parts.validation + parts.test
        assert sorted(together) == list(range(30))
        assert len(parts.validation) in (4, 5)
        tested += parts.test
    assert sorted(tested) == list(range(30))


def test_a_division_is_known_by_its_name(dataset: Dataset) -> None:
    for division in (Division("40/20/40", 3), Division(fold=2, of=5)):
        assert Division.parse(str(division)) == division
    first, second = (Division("40/20/40", seed).apply(dataset) for seed in (0, 1))
    assert len(first.split.test) == 12
    assert first.split.test != second.split.test
    with pytest.raises(ValueError, match="no division of images: 'half'"):
        Division.parse("half")


def test_the_table_stands_beside_the_original_s_and_in_mlflow(bench: Bench) -> None:
    outcome = bench.go()
    assert bench.trained() == 8
    assert [spec.epochs for spec in bench.executor.specs] == [3] * 4 + [2] * 4
    row = outcome.table.iloc[1]
    assert row["variant"] == "model 2.1"
    assert row["original: test accuracy"] == "0.892 [0.832, 0.932], n = 148"
    assert row["ours: splits of the same shares"].startswith("0.500 ± 0.000 over 2 splits")
    assert "over 2 folds" in row["ours: folds of all images"]
    assert row["epochs"] == "3 / 2"
    client = open_store().client
    parent = client.get_run(outcome.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mineralsweep.test_parts_read"] == "8"
    assert {"study.json", "study.csv", "study.md"} <= {
        file.path for file in client.list_artifacts(outcome.run_id)
    }
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{outcome.run_id}'"
    )
    assert len(children) == 8
    assert {run.data.params["division"] for run in children} == {
        "40/20/40, seed 0", "40/20/40, seed 1", "fold 1 of 2", "fold 2 of 2",
    }  # fmt: skip
    assert all(run.data.tags["mineralsweep.model_id"] for run in children)


def divisions(outcome: Reproduced) -> list[str]:
    """Return the divisions that model2 was trained on, from the runs."""
    children = open_store().client.search_runs(
        [outcome.store.experiment_id],
        f"tags.`mlflow.parentRunId` = '{outcome.run_id}' and params.architecture = 'model2'",
    )
    return sorted({run.data.params["division"] for run in children})


@pytest.mark.slow
def test_the_same_call_goes_on_where_it_was(bench: Bench) -> None:
    def stop_at_the_third(spec: Any) -> float:
        if spec.number == 2:
            raise KeyboardInterrupt
        return 0.5

    protocol = Protocol(TWO, 1, 2, 3, 2)
    with pytest.raises(KeyboardInterrupt):
        bench.go(protocol, stop_at_the_third)
    run_id = State.read("again").run_id
    outcome = bench.go(protocol)
    assert bench.trained() == 4
    assert outcome.run_id == run_id
    assert bench.executor.closed
    assert bench.go(protocol).table.equals(outcome.table)
    assert bench.trained() == 0
    more = bench.go(Protocol(TWO, 2, 2, 3, 2))
    assert {spec.seed for spec in bench.executor.specs} == {1}  # the others keep their numbers
    assert bench.trained() == 2
    assert len(more.table) == 2
    assert divisions(more) == ["40/20/40, seed 0", "40/20/40, seed 1", "fold 1 of 2", "fold 2 of 2"]
    longer = bench.go(Protocol(TWO, 1, 2, 9, 2))
    assert [spec.epochs for spec in bench.executor.specs] == [9, 9]  # not those of 3 epochs
    assert longer.table["epochs"].tolist() == ["9 / 2", "9 / 2"]


def test_a_training_that_fails_is_said_and_tried_again_next_time(bench: Bench) -> None:
    one = Protocol(("model2",), 2, 0, 2)
    outcome = bench.go(one, lambda spec: "no memory" if spec.number else 0.5)
    assert outcome.failed == {"model2 | 40/20/40, seed 1 | 2 epochs": "no memory"}
    assert "n = 12, 1 split" in outcome.table.iloc[0]["ours: splits of the same shares"]
    assert not bench.go(one).failed
    assert bench.trained() == 1


def test_where_every_training_fails_there_is_no_table(bench: Bench) -> None:
    with pytest.raises(RunError, match=r"no training succeeded: .*no memory"):
        bench.go(Protocol(TWO, 1, 0, 1), lambda spec: "no memory")


def test_without_weights_vgg16_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mineralsweep.models.weights._download", lambda *_: None)
    outcome = bench.go(Protocol(("model2", "vgg16"), 1, 0, 1))
    assert bench.trained() == 1
    row = outcome.table.iloc[1]
    assert row["ours: splits of the same shares"] == "needs ImageNet weights"
    assert row["original: loss"] == "32.59"


def test_other_data_or_settings_are_refused(bench: Bench) -> None:
    small = Protocol(("model2",), 1, 0, 1)
    bench.go(small)
    with pytest.raises(StudyConflict, match="precision: was auto, is float32"):
        bench.go(small, training={"precision": "float32"})


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--variants: unknown variant 'model2_2'; did you mean"):
        Protocol(("model2_2",))
