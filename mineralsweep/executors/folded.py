"""Trials with folds: each fold is one ordinary training on another executor."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

from mineralsweep.core.trial import TrialResult, TrialSpec
from mineralsweep.executors import assembly
from mineralsweep.executors.executor import (
    Doing,
    Epoch,
    Event,
    Executor,
    Failed,
    Finished,
    FoldEnded,
)


class FoldedExecutor:
    """Splits trials into their folds' trainings, and puts the results together.

    See `Executor` for the contract. The folds of a trial run side by side as workers are free;
    when none of them waits any more, the next trial may be submitted. A trial without folds goes
    through as it is.

    The order of the folds is shuffled for each trial: a pruner that compares trials fold by fold
    must not always see the same ones first. Fold i of every trial has the same images and the same
    seed, so that trials can be compared pair by pair.

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
            trial.fail(event, index)
        elif isinstance(event, Finished) and trial.ending is None:
            return [self._fold_ended(trial, index, event.result)]
        self._end_if_done(trial)
        return []

    def _fold_ended(self, trial: _Trial, index: int, result: TrialResult) -> Event:
        trial.results[index] = result
        trial.unanswered.add(index)
        return FoldEnded(trial.spec.number, assembly.fold_result(trial.spec, index, result))

    def _end_if_done(self, trial: _Trial) -> None:
        if trial.running or trial.waiting or trial.unanswered:
            return
        if trial.failure is not None:
            self._ready.append(trial.failure)
        else:
            result = assembly.put_together(trial.spec, trial.results, trial.stop_reason)
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
    """

    spec: TrialSpec
    waiting: list[int] = field(default_factory=list)
    running: dict[int | None, int] = field(default_factory=dict)
    unanswered: set[int | None] = field(default_factory=set)
    results: dict[int, TrialResult] = field(default_factory=dict)
    stop_reason: str | None = None
    failure: Failed | None = None

    @property
    def ending(self) -> str | None:
        """Why folds that still run are to stop, their results dropped; None: they are not."""
        return self.failure.reason if self.failure else self.stop_reason

    def fit(self, index: int) -> TrialSpec:
        """Return one fold's training; it must not go on from another fold's state."""
        examples = self.spec.examples
        return replace(
            self.spec,
            checkpoint=_of_fold(self.spec.checkpoint, index),
            initial=_of_fold(self.spec.initial, index),
            seed=self.spec.seed + index,
            folder=self.spec.folder / assembly.FOLDS / str(index),
            keep_last=True,  # when its trial goes on, a fold that has ended is not trained again
            examples=examples.of_fold(examples.folds[index]),
        )

    def stop(self, reason: str) -> None:
        if not self.waiting and not self.running:
            return  # it was the last one: nothing is given up
        self.stop_reason = self.stop_reason or reason
        self.waiting.clear()

    def fail(self, event: Failed, index: int) -> None:
        if self.failure is None:
            reason = f"fold {index + 1}: {event.reason}"
            self.failure = replace(event, number=self.spec.number, reason=reason)
        self.waiting.clear()


def _of_fold(folder: Path | None, index: int) -> Path | None:
    return None if folder is None else folder / f"fold-{index + 1}"
