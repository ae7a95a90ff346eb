"""Trials with folds: in parallel, cut short, failed, and put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from mineralsweep.core.trial import EpochReport, Fold, TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.executors import Epoch, Event, Failed, Finished, FoldedExecutor, FoldEnded
from mineralsweep.executors.folded import mean_history
from mineralsweep.search.task import examples
from tests.examples import trial
from tests.fakes import FakeExecutor, write_dummy_network

SIZE = (80, 80)


def folded_trial(dataset: Dataset, folder: Path, number: int = 0, repeats: int = 1) -> TrialSpec:
    folds = tuple(Fold(*rows) for rows in dataset.folds(3, repeats))
    return trial(
        dataset, folder, number=number, epochs=2, examples=examples(dataset, SIZE, folds)
    )  # fmt: skip


def fold_of(spec: TrialSpec) -> int:
    """Return the fold (from 1) that a training of `folded_trial` is."""
    return int(spec.folder.name) + 1


def drain(
    executor: FoldedExecutor, until: int = 1, answer: Callable[[Any], str | None] = lambda e: None
) -> list[Event]:
    events: list[Event] = []
    for _ in range(200):
        for event in executor.wait(1.0):
            events.append(event)
            if isinstance(event, Epoch):
                executor.answer(event.number, answer(event), event.fold)
            if isinstance(event, FoldEnded):
                executor.answer(event.number, answer(event), event.fold.fold)
        if sum(isinstance(event, Finished | Failed) for event in events) == until:
            return events
    raise AssertionError(events)


def test_folds_run_side_by_side_and_give_one_result(dataset: Dataset, tmp_path: Path) -> None:
    inner = FakeExecutor(lambda spec: fold_of(spec) / 4, slots=2)
    executor = FoldedExecutor(inner)
    spec = folded_trial(dataset, tmp_path / "t")
    executor.submit(spec)
    assert len(inner.specs) == 2
    events = drain(executor)
    assert {event.fold for event in events if isinstance(event, Epoch)} == {1, 2, 3}
    ended = {event.fold.fold: event.fold for event in events if isinstance(event, FoldEnded)}
    assert ended.keys() == {1, 2, 3}
    finished = events[-1]
    assert isinstance(finished, Finished)
    result = finished.result
    assert result.folds == tuple(ended[fold] for fold in (1, 2, 3))
    assert [fold.n for fold in result.folds] == [8, 8, 8]
    assert [fold.accuracy for fold in result.folds] == [2 / 8, 4 / 8, 6 / 8]
    assert result.rows is None
    assert not result.pruned
    assert result.parameters == 3000
    assert result.seconds == pytest.approx(0.3)
    assert [report.epoch for report in result.history] == [1, 2]
    assert result.history[-1].val_accuracy == pytest.approx(0.5)


def test_the_probabilities_stand_in_the_order_of_the_pool(dataset: Dataset, tmp_path: Path) -> None:
    spec = folded_trial(dataset, tmp_path / "t")
    executor = FoldedExecutor(FakeExecutor(lambda spec: 1.0, slots=3))
    executor.submit(spec)
    result = drain(executor)[-1].result  # type: ignore[union-attr]
    assert result.probabilities.shape == (24, 3)
    assert tuple(result.probabilities.argmax(axis=1)) == spec.labels_of(result)


def test_repeats_are_averaged(dataset: Dataset, tmp_path: Path) -> None:
    spec = folded_trial(dataset, tmp_path / "t", repeats=2)
    executor = FoldedExecutor(FakeExecutor(lambda spec: float(fold_of(spec) <= 3), slots=2))
    executor.submit(spec)
    result = drain(executor)[-1].result  # type: ignore[union-attr]
    assert len(result.folds) == 6
    truth = np.asarray(spec.labels_of(result))
    of_truth = result.probabilities[np.arange(24), truth]
    assert of_truth == pytest.approx(np.full(24, (0.8 + 0.1) / 2))


def test_each_fold_sees_its_own_images_and_seed_the_same_in_every_trial(
    dataset: Dataset, tmp_path: Path
) -> None:
    inner = FakeExecutor(lambda spec: 0.5, slots=1)
    executor = FoldedExecutor(inner)
    orders = []
    for number in range(4):
        spec = folded_trial(dataset, tmp_path / str(number), number)
        executor.submit(spec)
        drain(executor)
        trained = inner.specs[-3:]
        orders.append([fold_of(one) for one in trained])
        for one in trained:
            fold = spec.examples.folds[fold_of(one) - 1]
            assert one.examples.train == fold.train
            assert one.examples.validation == fold.validation
            assert not set(one.examples.train) & set(one.examples.validation)
            labels = dataset.labels()
            assert one.examples.train_labels == tuple(labels[row] for row in fold.train)
            assert one.seed == spec.seed + fold_of(one) - 1
    assert len({tuple(order) for order in orders}) > 1  # shuffled for each trial


def test_no_fold_goes_on_from_the_state_of_another(dataset: Dataset, tmp_path: Path) -> None:
    inner = FakeExecutor(lambda spec: 0.5, slots=3)
    executor = FoldedExecutor(inner)
    state, parent = tmp_path / "state", tmp_path / "parent"
    spec = folded_trial(dataset, tmp_path / "t")
    executor.submit(replace(spec, checkpoint=state, initial=parent))
    for name, folder in (("checkpoint", state), ("initial", parent)):
        given = {fold_of(spec): getattr(spec, name) for spec in inner.specs}
        assert given == {fold: folder / f"fold-{fold}" for fold in (1, 2, 3)}


def test_the_next_trial_may_start_when_a_worker_would_idle(
    dataset: Dataset, tmp_path: Path
) -> None:
    executor = FoldedExecutor(FakeExecutor(lambda spec: 0.5, slots=2))
    executor.submit(folded_trial(dataset, tmp_path / "0"))
    assert executor.free() == 0
    with pytest.raises(RuntimeError, match="trial 1: every worker is busy"):
        executor.submit(folded_trial(dataset, tmp_path / "1", 1))
    while not executor.free():
        for event in executor.wait(1.0):
            fold = event.fold if isinstance(event, Epoch) else event.fold.fold  # type: ignore[union-attr]
            executor.answer(event.number, None, fold)
    executor.submit(folded_trial(dataset, tmp_path / "1", 1))
    events = drain(executor, until=2)
    assert [event.number for event in events if isinstance(event, Finished)] == [0, 1]


def test_one_worker_is_not_free_before_the_trial_has_ended(
    dataset: Dataset, tmp_path: Path
) -> None:
    executor = FoldedExecutor(FakeExecutor(lambda spec: 0.5, slots=1))
    executor.submit(folded_trial(dataset, tmp_path / "0"))
    while True:
        assert executor.free() == 0
        [event] = executor.wait(1.0)
        if isinstance(event, Finished):
            break
        fold = event.fold if isinstance(event, Epoch) else event.fold.fold  # type: ignore[union-attr]
        executor.answer(0, None, fold)
    assert executor.free() == 1


def test_a_reason_after_a_fold_gives_up_the_others(dataset: Dataset, tmp_path: Path) -> None:
    inner = FakeExecutor(lambda spec: 0.5, slots=1)
    executor = FoldedExecutor(inner)
    spec = folded_trial(dataset, tmp_path / "t")
    executor.submit(spec)
    events = drain(executor, answer=lambda event: "worse" if isinstance(event, FoldEnded) else None)
    result = events[-1].result  # type: ignore[union-attr]
    assert result.pruned
    assert result.stop_reason == "worse"
    [fold] = result.folds
    assert len(inner.specs) == 1
    positions = [spec.examples.validation.index(row)
                 for row in spec.examples.folds[fold.fold - 1].validation]  # fmt: skip
    assert result.rows == tuple(sorted(positions))
    assert result.probabilities.shape == (8, 3)


def test_running_folds_end_at_their_next_epoch_and_are_dropped(
    dataset: Dataset, tmp_path: Path
) -> None:
    inner = FakeExecutor(lambda spec: 0.5, slots=2)
    executor = FoldedExecutor(inner)
    spec = replace(folded_trial(dataset, tmp_path / "t"), epochs=50)
    executor.submit(spec)
    [first, second] = executor.wait(1.0)
    assert isinstance(first, Epoch)
    assert isinstance(second, Epoch)
    executor.answer(0, None, second.fold)
    executor.answer(0, "time is up", first.fold)
    while not isinstance(first, FoldEnded):
        for event in executor.wait(1.0):
            if isinstance(event, FoldEnded):
                first = event
            else:
                executor.answer(0, None, event.fold)  # type: ignore[union-attr]
    executor.answer(0, "time is up", first.fold.fold)
    finished = drain(executor)[-1]
    assert isinstance(finished, Finished)
    assert len(finished.result.folds) == 1
    assert executor.free() == 2
    assert [path.name for path in sorted((tmp_path / "t").iterdir())] == ["classes.json", "members"]
    assert len(list((tmp_path / "t" / "members").iterdir())) == 1


def test_a_reason_after_the_last_fold_changes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    executor = FoldedExecutor(FakeExecutor(lambda spec: 0.5, slots=1))
    executor.submit(folded_trial(dataset, tmp_path / "t"))
    ended = []

    def answer(event: Any) -> str | None:
        if isinstance(event, FoldEnded):
            ended.append(event)
            return "worse" if len(ended) == 3 else None
        return None

    result = drain(executor, answer=answer)[-1].result  # type: ignore[union-attr]
    assert not result.pruned
    assert len(result.folds) == 3


def test_a_last_fold_that_was_cut_off_leaves_no_whole_trial(
    dataset: Dataset, tmp_path: Path
) -> None:
    executor = FoldedExecutor(FakeExecutor(lambda spec: 0.5, slots=1))
    executor.submit(replace(folded_trial(dataset, tmp_path / "t"), epochs=3))
    ended = []

    def answer(event: Any) -> str | None:
        if isinstance(event, FoldEnded):
            ended.append(event)
            return None
        return "time is up" if len(ended) == 2 else None

    result = drain(executor, answer=answer)[-1].result  # type: ignore[union-attr]
    assert [len(fold.history) for fold in result.folds].count(1) == 1
    assert len(result.folds) == 3
    assert result.rows is None  # every image was answered
    assert result.pruned


def test_a_fold_that_fails_fails_its_trial_once_its_siblings_have_ended(
    dataset: Dataset, tmp_path: Path
) -> None:
    inner = FakeExecutor(lambda spec: ("no memory", "memory") if fold_of(spec) == 2 else 0.5)
    inner.room = 3
    executor = FoldedExecutor(inner)
    executor.submit(replace(folded_trial(dataset, tmp_path / "t"), epochs=50))
    events = drain(executor)
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.reason == "fold 2: no memory"
    assert failed.fault == "memory"
    assert "last words" in failed.log
    assert inner.free() == 3
    assert executor.free() == 3
    assert max(event.report.epoch for event in events if isinstance(event, Epoch)) <= 2


def test_the_model_is_a_folder_of_members(dataset: Dataset, tmp_path: Path) -> None:
    executor = FoldedExecutor(FakeExecutor(lambda spec: 0.5, slots=2))
    executor.submit(folded_trial(dataset, tmp_path / "t"))
    folder = drain(executor)[-1].result.folder  # type: ignore[union-attr]
    assert folder == tmp_path / "t"
    assert json.loads((folder / "classes.json").read_text()) == ["ash", "beech", "cedar"]
    assert sorted(path.name for path in (folder / "members").iterdir()) == ["0", "1", "2"]
    for member in (folder / "members").iterdir():
        assert (member / "network.keras").is_file()
    assert not (folder / "folds").exists()


def test_folds_of_different_lengths_have_a_mean_history_as_long_as_the_shortest(
    dataset: Dataset, tmp_path: Path
) -> None:
    executor = FoldedExecutor(FakeExecutor(lambda spec: 0.5, slots=1))
    executor.submit(replace(folded_trial(dataset, tmp_path / "t"), epochs=4))

    def answer(event: Any) -> str | None:
        early = isinstance(event, Epoch) and event.fold == 2 and event.report.epoch == 3
        return "enough" if early else None

    result = drain(executor, answer=answer)[-1].result  # type: ignore[union-attr]
    assert len(result.history) == 3
    assert result.best_epoch == 4  # the median of 4, 3, 4
    assert result.stop_reason == "enough"
    assert result.rows is None


class Late(FakeExecutor):
    """Ends a trial by its time limit at the moment when it reports an epoch."""

    def wait(self, timeout: float) -> list[Event]:
        events = super().wait(timeout)
        for event in list(events):
            del self._live[event.number]
            self._waiting.discard(event.number)
            events.append(Failed(event.number, "took too long", "", "timeout"))
        return events


def test_a_fold_may_fail_at_the_moment_when_it_reports(dataset: Dataset, tmp_path: Path) -> None:
    executor = FoldedExecutor(Late())
    executor.submit(folded_trial(dataset, tmp_path / "t"))
    failed = drain(executor)[-1]
    assert isinstance(failed, Failed)
    assert "took too long" in failed.reason


def test_confusions_add_up_over_the_folds(dataset: Dataset, tmp_path: Path) -> None:
    executor = FoldedExecutor(FakeExecutor(lambda spec: fold_of(spec) / 4, slots=3))
    spec = folded_trial(dataset, tmp_path / "t")
    executor.submit(spec)
    result = drain(executor)[-1].result  # type: ignore[union-attr]
    labels, answers = spec.labels_of(result), result.probabilities.argmax(axis=1)
    whole = np.sum([fold.confusion for fold in result.folds], axis=0)
    np.testing.assert_array_equal(whole, metrics.confusion_matrix(labels, answers))
    for fold in result.folds:
        shares = np.diag(fold.confusion) / np.sum(fold.confusion, axis=1)
        assert fold.value("balanced_accuracy") == pytest.approx(shares.mean())
        assert fold.value("accuracy") == fold.accuracy


def test_the_epochs_of_folds_are_counted_together_where_each_fold_counts() -> None:
    counted = EpochReport(1, 1.0, 0.5, 0.8, 0.75, 1e-3, 2.0, ((2, 1), (0, 1)))
    other = replace(counted, val_loss=0.6, val_accuracy=1.0, val_confusion=((3, 0), (0, 1)))
    [mean] = mean_history([(counted,), (other,)])
    assert mean.val_confusion == ((5, 1), (0, 2))
    assert (mean.val_loss, mean.val_accuracy) == (pytest.approx(0.7), 0.875)
    assert mean.value("balanced_accuracy") == pytest.approx((5 / 6 + 1) / 2)
    [mean] = mean_history([(counted,), (replace(other, val_confusion=()),)])
    assert mean.val_confusion == ()


def estimator_trial(dataset: Dataset, folder: Path) -> TrialSpec:
    spec = folded_trial(dataset, folder)
    return replace(spec, architecture="colour_texture", optimizer="", epochs=1)


def test_an_estimator_is_fitted_once_more_on_all_images(dataset: Dataset, tmp_path: Path) -> None:
    inner = FakeExecutor(lambda spec: 0.5, slots=2)
    executor = FoldedExecutor(inner)
    spec = estimator_trial(dataset, tmp_path / "t")
    executor.submit(spec)
    events = drain(executor)
    *folds, whole = inner.specs
    assert len(folds) == 3
    assert all(len(one.examples.train) < len(spec.examples.train) for one in folds)
    assert whole.examples.train == spec.examples.train
    assert not whole.examples.folds
    assert {event.fold for event in events if isinstance(event, Epoch)} == {1, 2, 3}
    result = events[-1].result  # type: ignore[union-attr]
    assert [fold.fold for fold in result.folds] == [1, 2, 3]
    assert result.rows is None
    # The model is that of the last fit, not a vote of the folds'.
    write_dummy_network(tmp_path / "one")
    assert {file.name for file in spec.folder.iterdir()} == {
        file.name for file in (tmp_path / "one").iterdir()
    }


def test_an_estimator_that_is_pruned_is_not_fitted_on_all_images(
    dataset: Dataset, tmp_path: Path
) -> None:
    inner = FakeExecutor(lambda spec: 0.5)
    executor = FoldedExecutor(inner)
    executor.submit(estimator_trial(dataset, tmp_path / "t"))
    events = drain(
        executor, answer=lambda event: "enough" if isinstance(event, FoldEnded) else None
    )
    assert len(inner.specs) == 1
    assert events[-1].result.pruned  # type: ignore[union-attr]


def test_a_fit_on_all_images_that_fails_fails_the_trial(dataset: Dataset, tmp_path: Path) -> None:
    pool = len(estimator_trial(dataset, tmp_path / "x").examples.train)
    inner = FakeExecutor(lambda spec: "no luck" if len(spec.examples.train) == pool else 0.5)
    executor = FoldedExecutor(inner)
    executor.submit(estimator_trial(dataset, tmp_path / "t"))
    last = drain(executor)[-1]
    assert isinstance(last, Failed)
    assert last.reason == "on all images: no luck"
