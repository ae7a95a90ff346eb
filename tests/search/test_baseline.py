"""The baseline: the first trial of a sweep, with its record in the study's state."""

from __future__ import annotations

from typing import Any

import pytest

from mineralsweep.core.record import BASELINE
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import SweepFailed
from mineralsweep.executors import FoldedExecutor
from tests.fakes import FakeExecutor, by_learning_rate
from tests.search.test_study import Scene, settings

pytestmark = pytest.mark.usefixtures("store_made")


def with_baseline(**changes: Any) -> Any:
    return settings(trials=2).model_copy(update={"baseline": "eligible", **changes})


def trained(scene: Scene) -> list[int]:
    return [spec.number for spec in scene.executor.specs]


def test_it_is_the_default_estimator_on_the_trials_images_and_runs_once(dataset: Dataset) -> None:
    scene = Scene(dataset, with_baseline(), FakeExecutor())
    records = scene.study.run()
    assert trained(scene) == [BASELINE, 0, 1]
    assert [record.number for record in records] == [0, 1]  # the engine hears nothing of it
    spec = scene.executor.specs[0]
    assert (spec.architecture, spec.image_size, spec.epochs) == ("colour_texture", (96, 96), 1)
    assert spec.examples.validation == dataset.split.validation
    record = scene.state.baseline_record()
    assert record is not None
    [located] = scene.run.located([record])
    run = scene.store.client.get_run(located.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mineralsweep.kind"] == "baseline"
    again = Scene(dataset, with_baseline(), FakeExecutor())
    again.study.run()
    assert trained(again) == []
    assert again.run.located([record]) == [located]


def test_none_wants_none(dataset: Dataset) -> None:
    scene = Scene(dataset, with_baseline(baseline="none"), FakeExecutor())
    scene.study.run()
    assert trained(scene) == [0, 1]
    assert scene.state.baseline is None


def test_its_failure_costs_no_sweep_and_is_tried_again(dataset: Dataset) -> None:
    def script(spec: Any) -> float | str:
        return "out of luck" if spec.number == BASELINE else by_learning_rate(spec)

    scene = Scene(dataset, with_baseline(), FakeExecutor(script))
    assert [record.state for record in scene.study.run()] == ["COMPLETE"] * 2
    failed = scene.state.baseline_record()
    assert failed is not None
    assert (failed.state, failed.reason) == ("FAILED", "out of luck")
    again = Scene(dataset, with_baseline(), FakeExecutor())
    again.study.run()
    assert trained(again) == [BASELINE]
    mended = again.state.baseline_record()
    assert mended is not None
    assert mended.state == "COMPLETE"


def test_one_that_ended_before_its_driver_could_tell_is_not_trained_again(dataset: Dataset) -> None:
    scene = Scene(dataset, with_baseline(), FakeExecutor())
    scene.state.save = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(ZeroDivisionError):
        scene.study.run()
    again = Scene(dataset, with_baseline(), FakeExecutor())
    again.study.run()
    assert trained(again) == [0, 1]
    assert again.state.baseline_record() is not None


def test_it_is_compared_over_the_same_folds(dataset: Dataset) -> None:
    executor = FoldedExecutor(FakeExecutor())
    sweep = with_baseline(folds=2)
    scene = Scene(dataset, sweep, executor)  # type: ignore[arg-type]
    scene.study.run()
    record = scene.state.baseline_record()
    assert record is not None
    assert (record.folds, len(record.fold_accuracies)) == (2, 2)
    assert record.n == len(dataset.pool())


def test_where_no_trial_was_completed_it_is_what_the_sweep_found(dataset: Dataset) -> None:
    def script(spec: Any) -> float | str:
        return 0.7 if spec.number == BASELINE else "no time"

    scene = Scene(dataset, with_baseline(), FakeExecutor(script))
    assert [record.state for record in scene.study.run()] == ["FAILED"] * 2


def test_a_sweep_fails_where_it_failed_too(dataset: Dataset) -> None:
    scene = Scene(dataset, with_baseline(), FakeExecutor(lambda spec: "no time"))
    with pytest.raises(SweepFailed, match="no trial was completed: no time"):
        scene.study.run()
