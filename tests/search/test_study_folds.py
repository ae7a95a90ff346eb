"""A study whose trials have folds: means, spreads, pruning, failures, and what MLflow holds."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mineralsweep.config import Sweep, build
from mineralsweep.data.dataset import Dataset
from mineralsweep.executors import FoldedExecutor
from mineralsweep.report import leaderboard
from tests.executors.test_folded import fold_of
from tests.fakes import FakeExecutor, by_learning_rate
from tests.search.test_study import Scene

pytestmark = pytest.mark.usefixtures("store_made")


def settings(**changes: Any) -> Sweep:
    return build(
        {
            "question": "Do the folds hold?",
            "image_size": 96,
            "folds": 3,
            "space": {
                "architecture": "model2",
                "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
            },
            "budget": {"trials": 3, "epochs": 2},
            "engine": {"pruner": "none"},
            "baseline": "none",
            **changes,
        },
        "test",
    )


def scene(dataset: Dataset, sweep: Sweep, script: Any = by_learning_rate, slots: int = 2) -> Scene:
    return Scene(dataset, sweep, FoldedExecutor(FakeExecutor(script, slots)))  # type: ignore[arg-type]


def trainings(of: Scene) -> list[Any]:
    return of.executor._inner.specs  # type: ignore[attr-defined, no-any-return]


def uneven(spec: Any) -> float:
    return by_learning_rate(spec) * fold_of(spec) / 3


def test_a_trials_value_is_the_mean_over_folds_with_its_spread(dataset: Dataset) -> None:
    study = scene(dataset, settings(), uneven)
    records = study.study.run()
    assert [record.state for record in records] == ["COMPLETE"] * 3
    assert len(trainings(study)) == 9
    for record in records:
        accuracies = [one for one in record.fold_accuracies if one is not None]
        assert len(accuracies) == 3
        assert record.value == record.accuracy == pytest.approx(statistics.fmean(accuracies))
        assert record.spread == pytest.approx(statistics.stdev(accuracies))
        assert (record.folds, record.n) == (3, 24)
        assert "over 3 folds" in str(record.interval())
    assert study.engine.records() == records
    assert [fold for number, fold in study.watcher.folds if number == 0] != []


def test_by_loss_the_value_is_the_mean_loss(dataset: Dataset) -> None:
    study = scene(dataset, settings(objective="loss"), uneven)
    for record in study.study.run():
        assert record.value == record.loss


def test_a_trial_is_one_run_with_its_folds_in_it(dataset: Dataset) -> None:
    study = scene(dataset, settings(budget={"trials": 1, "epochs": 2}), uneven)
    [record] = study.study.run()
    [run] = study.children()
    client = study.store.client
    history = client.get_metric_history(run.info.run_id, "fold_val_accuracy")
    assert {one.step: one.value for one in history} == dict(
        zip((1, 2, 3), record.fold_accuracies, strict=True)
    )
    for fold in (1, 2, 3):
        epochs = client.get_metric_history(run.info.run_id, f"val_accuracy/fold_{fold}")
        assert [one.step for one in epochs] == [1, 2]
    mean = client.get_metric_history(run.info.run_id, "val_accuracy")
    assert [one.step for one in mean] == [1, 2]
    metrics = run.data.metrics
    assert metrics["best_val_accuracy"] == record.accuracy
    assert metrics["best_val_accuracy_spread"] == record.spread
    interval = record.interval()
    assert metrics["best_val_accuracy_low"] == interval.low
    assert metrics["best_val_accuracy_high"] == interval.high
    assert "over 3 folds" in run.data.tags["mlflow.note.content"]
    path = client.download_artifacts(run.info.run_id, "validation_predictions.json")
    data = json.loads(Path(path).read_text())
    table = pd.DataFrame(data["data"], columns=data["columns"])
    assert len(table) == 24
    assert (table["label"] == [Path(name).parts[0] for name in table["file"]]).all()
    assert table["fold"].value_counts().to_dict() == {1: 8, 2: 8, 3: 8}
    by_fold = table.groupby("fold")["correct"].mean()
    assert by_fold.tolist() == list(record.fold_accuracies)
    parent = client.get_run(study.run.run_id).data.params
    assert parent["sweep.folds"] == "3"
    assert parent["sweep.repeats"] == "1"


class Poor:
    """A script: the first trial is good, the others lose every fold."""

    def __call__(self, spec: Any) -> float:
        return 0.9 if spec.folder.parents[2].name.startswith("trial-000") else 0.2


def test_a_trial_that_loses_its_folds_is_pruned_and_the_rest_is_not_trained(
    dataset: Dataset,
) -> None:
    sweep = settings(folds=5, data={"split": "60/20/20"}, engine={})
    assert sweep.engine.pruner == "wilcoxon"
    study = scene(dataset, sweep, Poor(), slots=1)
    records = study.study.run()
    assert [record.state for record in records] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert len(trainings(study)) == 5 + 3 + 3
    pruned = records[1]
    assert sum(one is not None for one in pruned.fold_accuracies) == 3
    assert len(pruned.fold_accuracies) == 5
    assert pruned.reason.startswith("wilcoxon pruner after 3 folds: mean val_accuracy")
    assert "trial 0's on the same folds, and worse on 3 of them" in pruned.reason
    assert "3 fits of 5 folds" in str(pruned.interval())
    run = study.children()[1]
    assert run.info.status == "KILLED"


def test_a_fold_that_fails_fails_its_trial_with_the_fold(dataset: Dataset) -> None:
    def script(spec: Any) -> float | str:
        second = spec.folder.parents[2].name.startswith("trial-001")
        return "out of luck" if second and fold_of(spec) == 2 else 0.5

    study = scene(dataset, settings(), script)
    records = study.study.run()
    assert [record.state for record in records] == ["COMPLETE", "FAILED", "COMPLETE"]
    assert records[1].reason == "fold 2: out of luck"
    assert records[1].value is None
    assert records[1].fold_accuracies == ()


def test_a_fold_whose_process_died_has_its_trial_tried_again(dataset: Dataset) -> None:
    left = [1]

    def script(spec: Any) -> Any:
        if left and fold_of(spec) == 2:
            left.pop()
            return "bad luck", "crash"
        return 0.5

    study = scene(dataset, settings(), script)
    records = study.study.run()
    assert [record.state for record in records] == ["COMPLETE"] * 3
    assert study.watcher.retried == [(0, "fold 2: bad luck")]


def test_time_that_is_up_ends_a_trial_that_lacks_folds_as_pruned(dataset: Dataset) -> None:
    def slow(spec: Any) -> float:
        time.sleep(0.05)
        return 0.5

    budget = {"trials": 50, "epochs": 3, "timeout": 1.5}
    study = scene(dataset, settings(budget=budget), slow, slots=1)
    records = study.study.run()
    assert records[0].state == "COMPLETE"
    last = records[-1]
    if last.reason:
        assert last.state == "PRUNED"
        assert last.reason == "the sweep's time is up"


def test_a_study_with_folds_is_taken_up_where_it_was(dataset: Dataset) -> None:
    first = scene(dataset, settings(budget={"trials": 2, "epochs": 2})).study.run()
    again = scene(dataset, settings(budget={"trials": 4, "epochs": 2}))
    records = again.study.run()
    assert records[:2] == first
    assert len(trainings(again)) == 6


def test_the_leaderboard_shows_the_spread_over_folds(dataset: Dataset) -> None:
    sweep = settings()
    table = leaderboard(scene(dataset, sweep, uneven).study.run(), sweep)
    assert table["folds"].tolist() == [3, 3, 3]
    best = table.iloc[0]
    assert best["low"] <= best["val_accuracy"] <= best["high"]
    assert best["spread"] > 0
    from mineralsweep.report import compact

    shown = compact(table)
    title = "accuracy ± sd over 3 folds [95 % interval]"
    assert f"{best['val_accuracy']:.3f} ± {best['spread']:.3f} [" in shown[title][0]
