"""Trials with folds: each fold is one ordinary training on another executor."""

from __future__ import annotations

import random
import shutil
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.trial import (
    Counts,
    EpochReport,
    FoldResult,
    TrialResult,
    TrialSpec,
    counts_of,
)
from mineralsweep.evaluation import score
from mineralsweep.executors.executor import (
    Doing,
    Epoch,
    Event,
    Executor,
    Failed,
    Finished,
    FoldEnded,
    Slots,
)
from mineralsweep.serving import network


class FoldedExecutor:
    """Splits trials into their folds' trainings, and puts the results together.

    See `Executor` for the contract. The folds of a trial run side by side as workers are free;
    when none of them waits any more, the next trial may be submitted. A trial without folds goes
    through as it is.

    The order of the folds is shuffled for each trial: a pruner that compares trials fold by fold
    must not always see the same ones first. Fold i of every trial has the same images and the same
    seed, so that trials can be compared pair by pair.

    An estimator is fitted once more in the end, on all images of the pool: that is its model. It
    takes seconds, needs no images to choose an epoch by, and is better than the mean over models
    that each lack a fold. Networks answer together.

    A trial ends, well or not, only when none of its folds runs any more: nobody writes into its
    folder after that.

    Args:
        inner: runs the trainings; closed with this one.
    """

    def __init__(self, inner: Executor) -> None:
        self._inner = inner
        self._trials: dict[int, _Trial] = {}
        self._fits: dict[int, tuple[int, int | None]] = {}
        self._ready: list[Event] = []
        self._submitted = 0

    def free(self) -> int:
        waiting = sum(len(trial.waiting) for trial in self._trials.values())
        return max(0, self._inner.free() - waiting - len(self._ready))

    def slots(self) -> Slots:
        return self._inner.slots()

    def submit(self, spec: TrialSpec) -> None:
        if not self.free():
            raise RuntimeError(f"trial {spec.number}: every worker is busy")
        trial = _Trial(spec)
        if spec.examples.folds:
            trial.waiting = list(range(len(spec.examples.folds)))
            random.Random(f"{spec.seed} {spec.number}").shuffle(trial.waiting)  # noqa: S311
        self._trials[spec.number] = trial
        if trial.waiting:
            self._begin_folds()
        else:
            self._submit(spec, None)

    def wait(self, timeout: float) -> list[Event]:
        self._begin_folds()
        if self._ready:
            return self._take_ready()
        for event in self._inner.wait(timeout):
            self._ready += self._translate(event)
        return self._take_ready()

    def answer(self, number: int, stop_reason: str | None, fold: int | None = None) -> None:
        trial = self._trials.get(number)
        if trial is None:  # it failed at the moment when the fold reported
            return
        index = None if fold is None else fold - 1
        if index is None or index in trial.running:
            self._inner.answer(trial.running[index], stop_reason or trial.ending)
            return
        trial.unanswered.discard(index)
        if stop_reason is not None:
            trial.stop(stop_reason)
        self._end_if_done(trial)

    def close(self) -> None:
        self._inner.close()

    def _take_ready(self) -> list[Event]:
        ready, self._ready = self._ready, []
        for event in ready:
            if isinstance(event, Finished | Failed):
                del self._trials[event.number]
        return ready

    def _begin_folds(self) -> None:
        """Start what waits, the oldest trial's folds first."""
        for trial in self._trials.values():
            while trial.waiting and not trial.unanswered and self._inner.free():
                index = trial.waiting.pop(0)
                self._submit(trial.fit(index), index, trial.spec.number)

    def _submit(self, spec: TrialSpec, index: int | None, number: int | None = None) -> None:
        number = spec.number if number is None else number
        fit = self._submitted
        self._submitted += 1
        self._fits[fit] = (number, index)
        self._trials[number].running[index] = fit
        self._inner.submit(replace(spec, number=fit))

    def _translate(self, event: Event) -> list[Event]:
        """Say an event of a training as one of its trial."""
        number, index = self._fits[event.number]
        trial = self._trials[number]
        fold = None if index is None else index + 1
        if index is not None and index == trial.whole_index:
            return self._of_whole(trial, event)
        if isinstance(event, Doing):
            return [Doing(number, event.words if fold is None else f"fold {fold}: {event.words}")]
        if isinstance(event, Epoch):
            if trial.ending is not None:
                self._inner.answer(event.number, trial.ending)
                return []
            return [Epoch(number, event.report, fold)]
        del self._fits[event.number]
        del trial.running[index]
        if index is None:
            assert not isinstance(event, FoldEnded)
            return [replace(event, number=number)]
        if isinstance(event, Failed):
            trial.fail(event, f"fold {index + 1}")
        elif isinstance(event, Finished) and trial.ending is None:
            return [self._fold_ended(trial, index, event.result)]
        self._end_if_done(trial)
        return []

    def _of_whole(self, trial: _Trial, event: Event) -> list[Event]:
        """Take an event of the fit on all images; its only epoch is no measure of anything."""
        if isinstance(event, Doing):
            return [Doing(trial.spec.number, f"all images: {event.words}")]
        if isinstance(event, Epoch):
            self._inner.answer(event.number, None)
            return []
        del self._fits[event.number]
        del trial.running[trial.whole_index]
        if isinstance(event, Failed):
            trial.fail(event, "on all images")
        elif isinstance(event, Finished):
            trial.whole = event.result
        self._end_if_done(trial)
        return []

    def _fold_ended(self, trial: _Trial, index: int, result: TrialResult) -> Event:
        trial.results[index] = result
        trial.unanswered.add(index)
        return FoldEnded(trial.spec.number, fold_result(trial.spec, index, result))

    def _end_if_done(self, trial: _Trial) -> None:
        if trial.running or trial.waiting or trial.unanswered:
            return
        if trial.failure is not None:
            self._ready.append(trial.failure)
        elif trial.lacks_whole():
            trial.waiting.append(trial.whole_index)
        else:
            result = put_together(trial.spec, trial.results, trial.stop_reason, trial.whole)
            self._ready.append(Finished(trial.spec.number, result))


@dataclass
class _Trial:
    """A trial that is under way.

    Attributes:
        waiting: folds (from 0) that no worker has yet, in the order in which they will begin.
        running: fold -> the number of its training on the inner executor.
        unanswered: folds that ended and wait for their answer.
        results: fold -> what it left.
        stop_reason: why the other folds are given up.
        failure: of the first fold that failed.
        whole: what the fit on all images left.
    """

    spec: TrialSpec
    waiting: list[int] = field(default_factory=list)
    running: dict[int | None, int] = field(default_factory=dict)
    unanswered: set[int | None] = field(default_factory=set)
    results: dict[int, TrialResult] = field(default_factory=dict)
    stop_reason: str | None = None
    failure: Failed | None = None
    whole: TrialResult | None = None

    @property
    def whole_index(self) -> int:
        """The number, from 0, of the fit on all images: the one after the folds."""
        return len(self.spec.examples.folds)

    def lacks_whole(self) -> bool:
        """Say whether a fit on all images is due: of an estimator, once all folds have ended."""
        is_estimator = not self.spec.optimizer
        ended = len(self.results) == self.whole_index and self.stop_reason is None
        return is_estimator and ended and self.whole is None

    @property
    def ending(self) -> str | None:
        """Why folds that still run are to stop, their results dropped; None: they are not."""
        return self.failure.reason if self.failure else self.stop_reason

    def fit(self, index: int) -> TrialSpec:
        """Return one fold's training; it must not go on from another fold's state."""
        examples = self.spec.examples
        if index == self.whole_index:
            return replace(
                self.spec,
                checkpoint=None,
                initial=None,
                folder=self.spec.folder / FOLDS / str(index),
                examples=examples.whole(),
            )
        return replace(
            self.spec,
            checkpoint=_of_fold(self.spec.checkpoint, index),
            initial=_of_fold(self.spec.initial, index),
            seed=self.spec.seed + index,
            views_seed=self.spec.seed,
            folder=self.spec.folder / FOLDS / str(index),
            keep_last=True,  # when its trial goes on, a fold that has ended is not trained again
            examples=examples.of_fold(examples.folds[index]),
        )

    def stop(self, reason: str) -> None:
        if not self.waiting and not self.running:
            return  # it was the last one: nothing is given up
        self.stop_reason = self.stop_reason or reason
        self.waiting.clear()

    def fail(self, event: Failed, where: str) -> None:
        if self.failure is None:
            reason = f"{where}: {event.reason}"
            self.failure = replace(event, number=self.spec.number, reason=reason)
        self.waiting.clear()


def _of_fold(folder: Path | None, index: int) -> Path | None:
    return None if folder is None else folder / f"fold-{index + 1}"


FOLDS = "folds"
"""Of a trial's folder: takes a folder a fold, until their networks are made one model."""


def fold_result(spec: TrialSpec, index: int, result: TrialResult) -> FoldResult:
    """Score one fold's training (from 0) on the fold's validation images."""
    examples = spec.examples.of_fold(spec.examples.folds[index])
    scores = score(result.probabilities, examples.validation_labels, examples.classes)
    return FoldResult(
        fold=index + 1,
        accuracy=scores.accuracy.value,
        loss=scores.loss,
        n=scores.accuracy.n,
        history=result.history,
        best_epoch=result.best_epoch,
        seconds=result.seconds,
        confusion=counts_of(scores.confusion),
    )


def put_together(
    spec: TrialSpec,
    results: Mapping[int, TrialResult],
    stop_reason: str | None,
    whole: TrialResult | None = None,
) -> TrialResult:
    """Make one result of the folds that ended, and one model of their networks.

    Args:
        spec: of the trial.
        results: fold (from 0) -> its training's result; at least one.
        stop_reason: why not every fold was trained; None: all were.
        whole: of the fit on all images, whose model is taken in their stead.
    """
    indices = sorted(results)
    ended = [results[index] for index in indices]
    rows, probabilities = _out_of_fold(spec, results)
    if whole is None:
        network.combine([one.folder for one in ended], spec.examples.classes, spec.folder)
    else:
        for file in whole.folder.iterdir():
            shutil.move(file, spec.folder / file.name)
    shutil.rmtree(spec.folder / FOLDS, ignore_errors=True)
    complete = len(rows) == len(spec.examples.validation)
    return TrialResult(
        history=mean_history([one.history for one in ended]),
        best_epoch=round(statistics.median(one.best_epoch for one in ended)),
        probabilities=probabilities,
        stop_reason=stop_reason or _reasons(ended),
        pruned=stop_reason is not None or any(one.pruned for one in ended),
        parameters=_sum(one.parameters for one in ended),
        trainable=_sum(one.trainable for one in ended),
        flops=_sum(one.flops for one in ended),
        precision=ended[0].precision,
        folder=spec.folder,
        seconds=sum(one.seconds for one in [*ended, *([whole] if whole else [])]),
        folds=tuple(fold_result(spec, index, results[index]) for index in indices),
        rows=None if complete else rows,
    )


def _sum(values: Iterable[int | None]) -> int | None:
    """Return the sum; None where there is none, as of an estimator's parameters."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def mean_history(histories: Sequence[Sequence[EpochReport]]) -> tuple[EpochReport, ...]:
    """Return the mean of each epoch over folds, as far as all of them went.

    Confusions add up: each image of the pool is counted once a repeat.
    """
    return tuple(_mean_report(reports) for reports in zip(*histories, strict=False))


def _mean_report(reports: Sequence[EpochReport]) -> EpochReport:
    def mean(name: str) -> float:
        return statistics.fmean(getattr(one, name) for one in reports)

    rates = [one.learning_rate for one in reports if one.learning_rate is not None]
    return EpochReport(
        epoch=reports[0].epoch,
        train_loss=mean("train_loss"),
        train_accuracy=mean("train_accuracy"),
        val_loss=mean("val_loss"),
        val_accuracy=mean("val_accuracy"),
        learning_rate=statistics.fmean(rates) if rates else None,
        seconds=mean("seconds"),
        val_confusion=_added([one.val_confusion for one in reports]),
    )


def _added(confusions: Sequence[Counts]) -> Counts:
    """Return the sum; empty where one was not counted."""
    return counts_of(np.sum(confusions, axis=0)) if all(confusions) else ()


def _out_of_fold(
    spec: TrialSpec, results: Mapping[int, TrialResult]
) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Return the pool's positions that were predicted, and their mean probabilities."""
    examples = spec.examples
    place = {row: position for position, row in enumerate(examples.validation)}
    total = np.zeros((len(place), len(examples.classes)))
    times = np.zeros(len(place), np.int64)
    for index, result in sorted(results.items()):
        positions = [place[row] for row in examples.folds[index].validation]
        total[positions] += result.probabilities
        times[positions] += 1
    seen = np.flatnonzero(times)
    mean = (total[seen] / times[seen, None]).astype(np.float32)
    return tuple(map(int, seen)), mean


def _reasons(results: Sequence[TrialResult]) -> str | None:
    """Say why folds ended before their last epoch, None where none did."""
    reasons = dict.fromkeys(one.stop_reason for one in results if one.stop_reason)
    return "; ".join(reasons) or None
