"""The refit: which images, to which epoch, and what becomes of failures and kills."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.config import Sweep, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import RunError
from mineralsweep.executors import FoldedExecutor
from mineralsweep.search.refit import Refit, refit
from mineralsweep.search.task import Task
from tests.fakes import FakeExecutor, Script, Watcher

RECORD = TrialRecord(
    3, "COMPLETE", {"architecture": "model2_1", "learning_rate": 1e-3, "dropout": 0.25},
    0.9, 0.9, 0.3, 10, 2, "run", "model", "", 1.0,
)  # fmt: skip


def settings(**changes: Any) -> Sweep:
    return build(
        {
            "question": "Is nothing held out?",
            "image_size": 96,
            "space": {"architecture": ["model2_1", "colour_texture"]},
            "budget": {"trials": 1, "epochs": 5, "patience": 1},
            "refit": True,
            **changes,
        },
        "test",
    )


class Scene:
    """A refit by a fake executor."""

    def __init__(self, dataset: Dataset, folder: Path, script: Script = lambda _: 0.5) -> None:
        self.executor, self.watcher = FakeExecutor(script), Watcher()
        self.dataset, self.folder = dataset, folder

    def refit(self, record: TrialRecord = RECORD, **changes: Any) -> Refit:
        executor = self.executor
        if changes.get("folds", 1) > 1:
            executor = FoldedExecutor(executor)  # type: ignore[assignment]
        task = Task(settings(**changes), self.dataset)
        return refit(task, record, executor, self.folder, self.watcher)

    @property
    def spec(self) -> TrialSpec:
        return self.executor.specs[-1]


@pytest.fixture
def scene(dataset: Dataset, tmp_path: Path) -> Scene:
    return Scene(dataset, tmp_path / "refit")


@pytest.mark.parametrize("folds", [1, 3])
def test_it_is_trained_on_all_but_the_test_split_to_the_kept_epoch(
    scene: Scene, folds: int
) -> None:
    made = scene.refit(folds=folds)
    pool, labels = scene.dataset.pool(), scene.dataset.labels()
    assert scene.spec.examples.train == tuple(sorted(pool))
    assert scene.spec.examples.train_labels == tuple(labels[row] for row in sorted(pool))
    assert not set(scene.spec.examples.train) & set(scene.dataset.split.test)
    assert scene.spec.examples.folds == ()
    assert (scene.spec.kept_epoch, scene.spec.epochs) == (2, 5)  # the rate is that of the trial
    assert scene.spec.hyperparameters["dropout"] == 0.25
    assert made.network == scene.spec.folder
    assert f"refit on {len(pool)} images" in made.words
    assert "epoch 2" in made.words
    assert "epoch 1 of 2" in scene.watcher.refits
    assert scene.watcher.refits[-1] is None
    assert [one.epoch for one in made.history] == [1, 2, 3, 4, 5]  # the fake goes to the end


def test_what_ended_is_not_trained_again(scene: Scene) -> None:
    made = scene.refit()
    again = scene.refit()
    assert len(scene.executor.specs) == 1
    assert (again.words, again.network, again.history) == (made.words, made.network, ())


def test_an_estimator_without_folds_learns_from_the_validation_images_too(scene: Scene) -> None:
    made = scene.refit(replace(RECORD, params={"architecture": "colour_texture"}, best_epoch=1))
    assert made.network is not None
    assert made.history == ()
    assert "epoch" not in made.words
    assert set(scene.spec.examples.train) == set(scene.dataset.pool())


def test_what_a_refit_would_not_change_is_left(scene: Scene) -> None:
    estimator = replace(RECORD, params={"architecture": "colour_texture"})
    assert "already" in scene.refit(estimator, folds=3).words
    vote = replace(RECORD, params={"architecture": "model2+compact"})
    several = scene.refit(vote, space={"architecture": "model2+compact"})
    assert "several networks" in several.words
    assert several.network is None
    assert scene.executor.specs == []


def test_memory_that_runs_out_halves_the_batch_and_a_crash_is_tried_again(
    dataset: Dataset, tmp_path: Path
) -> None:
    faults = iter([("no room", "memory"), ("it died", "crash"), 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    scene = Scene(dataset, tmp_path / "refit", lambda _: next(faults))  # type: ignore[arg-type, return-value]
    made = scene.refit(faults={"retries": 2})
    assert made.network is not None
    sizes = [spec.batch_size for spec in scene.executor.specs]
    assert sizes == [sizes[0], sizes[0] // 2, sizes[0] // 2]
    assert {spec.checkpoint for spec in scene.executor.specs} == {scene.folder / "checkpoint"}


def test_what_fails_leaves_the_trial_s_own_model(dataset: Dataset, tmp_path: Path) -> None:
    scene = Scene(dataset, tmp_path / "refit", lambda _: "a bad number")
    made = scene.refit(faults={"retries": 2})
    assert made.network is None
    assert made.words == "not refit, for that failed: a bad number"
    assert len(scene.executor.specs) == 1  # it would fail again


def test_a_full_disk_stops_it(dataset: Dataset, tmp_path: Path) -> None:
    scene = Scene(dataset, tmp_path / "refit", lambda _: ("disk full", "disk"))
    with pytest.raises(RunError, match="make room"):
        scene.refit()
    assert scene.watcher.refits[-1] is None


def test_a_study_keeps_to_it(dataset: Dataset) -> None:
    plain = Task(settings(refit=False), dataset).question()
    assert "refit" not in plain  # studies of before have no such entry
    assert Task(settings(), dataset).question() == {**plain, "refit": "true"}
