"""The loop of a study: the engine asks, an executor runs, tracking writes, the engine is told."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import time
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mineralsweep.config import Sweep
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.engine import Engine, Proposal, State, TrialRecord
from mineralsweep.engines.ranking import champion
from mineralsweep.engines.stopping import reached
from mineralsweep.errors import RunError, SweepFailed
from mineralsweep.evaluation import Scores, score
from mineralsweep.executors import Doing, Epoch, Event, Executor, Failed, Finished, FoldEnded
from mineralsweep.space import Params
from mineralsweep.tracking import SweepRun, TrialRun, Writer
from mineralsweep.training.folds import over_folds
from mineralsweep.training.spec import (
    EpochReport,
    Examples,
    Fold,
    FoldResult,
    TrialResult,
    TrialSpec,
    specify,
)

POLL_SECONDS = 1.0
TIME_IS_UP = "the sweep's time is up"
STOPPED_EARLY = "each was stopped early; allow more time or more epochs"


class Listener(Protocol):
    """Who watches a study; the command line shows it."""

    def study_opened(self, name: str, ended: list[TrialRecord]) -> None: ...

    def trial_started(self, spec: TrialSpec) -> None: ...

    def epoch_ended(self, spec: TrialSpec, report: EpochReport, fold: int | None = None) -> None:
        """A trial, or one of its folds (from 1), ended an epoch."""

    def fold_ended(self, spec: TrialSpec, fold: FoldResult) -> None:
        """A trial's fold was trained to its end."""

    def trial_does(self, spec: TrialSpec, words: str) -> None:
        """Between epochs a trial does something that takes a while."""

    def trial_retried(self, spec: TrialSpec, reason: str) -> None:
        """A trial failed for `reason`, and is tried again as `spec` says."""

    def trial_ended(self, record: TrialRecord) -> None: ...

    def tick(self) -> None:
        """Called about once a second."""


def examples(
    dataset: Dataset, image_size: tuple[int, int], folds: tuple[Fold, ...] = ()
) -> Examples:
    """Return what a trial may see of a data set, at (height, width): all but the test split."""
    labels, parts = dataset.labels(), dataset.split
    train = dataset.pool() if folds else parts.train
    validation = dataset.pool() if folds else parts.validation
    return Examples(
        arrays=dataset.arrays(image_size),
        classes=dataset.classes,
        train=train,
        train_labels=tuple(labels[row] for row in train),
        validation=validation,
        validation_labels=tuple(labels[row] for row in validation),
        folds=folds,
    )


def folds_of(dataset: Dataset, sweep: Sweep) -> tuple[Fold, ...]:
    """Return the folds that every trial of a sweep has; none where `folds` is 1.

    Raises:
        DataError: a class is too small for so many folds.
    """
    if sweep.folds == 1:
        return ()
    divided = dataset.folds(sweep.folds, sweep.repeats)
    return tuple(Fold(train, validation) for train, validation in divided)


class Study:
    """Runs trials until the budget is spent.

    Args:
        sweep: the question and its budget; `budget.trials` counts earlier sessions' trials too.
        dataset: what to train on.
        engine: proposes, prunes and remembers.
        executor: trains.
        run: the parent run.
        folder: scratch space; a trial's files are removed once they are in the store.
        listener: is told what happens.
    """

    def __init__(
        self,
        sweep: Sweep,
        dataset: Dataset,
        engine: Engine,
        executor: Executor,
        run: SweepRun,
        folder: Path,
        listener: Listener,
    ) -> None:
        self._sweep = sweep
        self._dataset = dataset
        self._engine = engine
        self._executor = executor
        self._run = run
        self._folder = folder
        self._listener = listener
        self._folds = folds_of(dataset, sweep)
        self._live: dict[int, _LiveTrial] = {}
        self._retries: deque[tuple[TrialSpec, Params, int]] = deque()
        known = engine.records()
        self._best = champion(known, sweep.objective)
        self._ended = self._told = len(known)
        self._writer = Writer()
        self._writing: deque[_EndedTrial] = deque()
        self._failures = 0
        self._exhausted = False
        self._stopped = reached(sweep.stop, sweep.objective, known)
        self._gave_up = False
        self._deadline = time.monotonic() + (sweep.budget.timeout or float("inf"))

    def run(self) -> list[TrialRecord]:
        """Run the trials that the budget leaves, and return the records of all.

        Raises:
            SweepFailed: trials failed one after the other, or none could be completed.
            RunError: the disk is full, or can't be written to.
        """
        try:
            self._run_trials()
            self._writer.flush()
        except BaseException as error:
            self._abandon("interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
            raise
        finally:
            self._writer.close()
        records = self._engine.records()
        if self._gave_up:
            raise SweepFailed(
                f"stopped after {self._failures} failed trials in a row: {_causes(records)}"
            )
        if not any(record.state == "COMPLETE" for record in records):
            raise SweepFailed(f"no trial was completed: {_causes(records) or STOPPED_EARLY}")
        return records

    def why_it_ended(self) -> str:
        """Return which rule ended the study, after `run`."""
        if self._stopped:
            return self._stopped
        if self._exhausted:
            return "every trial of the space was tried"
        if self._told < self._sweep.budget.trials and time.monotonic() >= self._deadline:
            return f"time is up: {self._sweep.budget.timeout:g} s"
        return f"all {self._sweep.budget.trials} trials are done"

    def _run_trials(self) -> None:
        """Run until nothing runs and nothing is wanted.

        An ended trial is written while the next one trains. Whenever the engine is asked or given
        a report, it knows every trial but those that ended this moment, however long the writing
        takes: with one worker, a seed gives the same trials.
        """
        while self._fill() or self._live or self._writing:
            if not self._live:
                self._tell_until(self._ended)
                continue
            events = self._executor.wait(POLL_SECONDS)
            before = self._ended
            if self._writing and self._writing[0].record.done():
                self._tell_until(before)
            for event in events:
                self._handle(event, before)
            if events:
                self._tell_until(before)
            self._listener.tick()

    def _abandon(self, reason: str) -> None:
        """End the trials that still run as failed; they are not told, and so come back first."""
        # MLflow itself may be what failed; the first error must be the one that is told.
        with contextlib.suppress(Exception):
            self._tell_until(self._ended)
        for live in self._live.values():
            with contextlib.suppress(Exception):
                live.run.result().fail(reason)
        self._live.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _fill(self) -> bool:
        """Start trials on the free workers; say whether one was started."""
        started = False
        while self._retries and self._executor.free():
            self._submit(*self._retries.popleft())
            started = True
        while self._executor.free() and self._wants_more():
            proposal = self._engine.ask()
            if proposal is None:  # there may be more once the trials at work are told
                self._exhausted = not (self._live or self._writing or self._retries)
                break
            self._start(proposal)
            started = True
        return started

    def _wants_more(self) -> bool:
        return (
            not self._exhausted
            and not self._stopped
            and not self._gave_up
            and self._ended + len(self._live) + len(self._retries) < self._sweep.budget.trials
            and time.monotonic() < self._deadline
        )

    def _start(self, proposal: Proposal) -> None:
        size = self._sweep.size_for(str(proposal.params["architecture"]))
        spec = specify(
            proposal.params,
            number=proposal.number,
            epochs=self._sweep.budget.epochs,
            patience=self._sweep.budget.patience,
            image_size=size,
            seed=self._sweep.seed,
            weights=self._sweep.weights,
            training=self._sweep.training,
            deepest=self._sweep.deepest(),
            folder=self._folder / f"trial-{proposal.number:03d}",
            examples=examples(self._dataset, size, self._folds),
        )
        self._submit(spec, proposal.params)
        self._listener.trial_started(spec)

    def _submit(self, spec: TrialSpec, params: Params, attempt: int = 1) -> None:
        run = self._writer.do(lambda: self._run.start_trial(spec, attempt))
        self._live[spec.number] = _LiveTrial(spec, params, run, attempt)
        self._executor.submit(spec)

    def _handle(self, event: Event, before: int) -> None:
        live = self._live[event.number]
        if isinstance(event, Doing):
            self._listener.trial_does(live.spec, event.words)
        elif isinstance(event, Epoch):
            self._tell_until(before)
            self._answer(live, event)
        elif isinstance(event, FoldEnded):
            self._tell_until(before)
            self._judge(live, event.fold)
        else:
            self._end(live, event)

    def _answer(self, live: _LiveTrial, event: Epoch) -> None:
        report, fold, number = event.report, event.fold, event.number
        self._writer.do(lambda: live.run.result().epoch(report, fold))
        reason = None
        # Folds are judged when they have ended. An estimator's only epoch is no measure for the
        # first one of a network.
        only = live.spec.epochs == 1 < self._sweep.budget.epochs
        if fold is None and not only:
            value = getattr(report, self._sweep.metric())
            reason = self._engine.report(number, report.epoch, value)
        # After the last epoch there is nothing left to save by stopping.
        last = report.epoch == live.spec.epochs
        self._executor.answer(number, None if last else reason or self._time_is_up(), fold)
        self._listener.epoch_ended(live.spec, report, fold)

    def _judge(self, live: _LiveTrial, fold: FoldResult) -> None:
        """Say after one fold whether the trial's others are worth their time."""
        self._writer.do(lambda: live.run.result().fold_ended(fold))
        value = fold.accuracy if self._sweep.objective == "accuracy" else fold.loss
        reason = self._engine.report(live.spec.number, fold.fold, value)
        self._executor.answer(live.spec.number, reason or self._time_is_up(), fold.fold)
        self._listener.fold_ended(live.spec, fold)

    def _time_is_up(self) -> str | None:
        return TIME_IS_UP if time.monotonic() > self._deadline else None

    def _end(self, live: _LiveTrial, event: Finished | Failed) -> None:
        """Have an ended trial written. A failed one is told at once: it costs next to nothing."""
        if isinstance(event, Failed) and event.fault == "disk":
            # The trial is not told: it comes back first.
            raise RunError(f"trial {event.number}: {event.reason}; make room on the disk")
        del self._live[event.number]
        record = self._writer.do(lambda: self._write(live, event))
        if isinstance(event, Failed) and self._may_pass(live, event):
            self._retry(live, event)
            return
        self._writing.append(_EndedTrial(self._ended, record))
        self._ended += 1
        if isinstance(event, Failed):
            self._tell_until(self._ended)

    def _may_pass(self, live: _LiveTrial, event: Failed) -> bool:
        return event.fault in ("crash", "memory") and live.attempt <= self._sweep.faults.retries

    def _retry(self, live: _LiveTrial, event: Failed) -> None:
        """Try a trial again, in a run and a folder of its own; the failed run stays.

        It waits for a free worker: with folds, another trial's may have taken this one's.
        """
        attempt, spec = live.attempt + 1, live.spec
        batch = max(1, spec.batch_size // 2) if event.fault == "memory" else spec.batch_size
        folder = self._folder / f"trial-{spec.number:03d}-attempt-{attempt}"
        spec = replace(spec, batch_size=batch, folder=folder)
        self._retries.append((spec, live.params, attempt))
        self._listener.trial_retried(spec, event.reason)

    def _write(self, live: _LiveTrial, event: Finished | Failed) -> TrialRecord:
        if isinstance(event, Finished):
            record = self._record_result(live, event)
        else:
            record = self._record_failure(live, event)
        shutil.rmtree(live.spec.folder, ignore_errors=True)
        return record

    def _tell_until(self, count: int) -> None:
        """Tell the engine of the ended trials, but for those after the first `count`.

        The engine learns of a trial only once its run is whole, with its model.
        """
        while self._writing and self._writing[0].position < count:
            record = self._writing[0].record.result()
            self._engine.tell(record)
            self._writing.popleft()
            self._told += 1
            self._failures = self._failures + 1 if record.state == "FAILED" else 0
            self._gave_up = (
                self._gave_up or self._failures >= self._sweep.faults.max_consecutive_failures
            )
            if not self._stopped:
                known = self._engine.records()
                self._stopped = reached(self._sweep.stop, self._sweep.objective, known)
            self._log_best(record)
            self._listener.trial_ended(record)

    def _record_result(self, live: _LiveTrial, event: Finished) -> TrialRecord:
        result = event.result
        scores = score(result.probabilities, live.spec.labels_of(result), self._dataset.classes)
        reason = result.stop_reason or ""
        # A trial that the clock ended was not found wanting: it may still be the best. One that
        # lacks folds can't be compared with those that have them all.
        cut = result.rows is not None or (result.pruned and reason != TIME_IS_UP)
        state: State = "PRUNED" if cut else "COMPLETE"
        run = live.run.result()
        model_id = run.finish(result, scores, state, reason)
        accuracy, loss = _compared(result, scores)
        mean = over_folds(live.spec, result)
        by_fold = {fold.fold: fold.accuracy for fold in result.folds}
        return TrialRecord(
            number=live.spec.number,
            state=state,
            params=live.params,
            value=accuracy if self._sweep.objective == "accuracy" else loss,
            accuracy=accuracy,
            loss=loss,
            n=scores.accuracy.n,
            best_epoch=result.best_epoch,
            run_id=run.run_id,
            model_id=model_id,
            reason=reason,
            seconds=result.seconds,
            spread=None if mean is None else mean.spread,
            folds=self._sweep.folds,
            fold_accuracies=tuple(by_fold.get(fold + 1) for fold in range(len(self._folds))),
        )

    def _record_failure(self, live: _LiveTrial, event: Failed) -> TrialRecord:
        run = live.run.result()
        run.fail(event.reason, event.log)
        return TrialRecord(
            number=live.spec.number,
            state="FAILED",
            params=live.params,
            value=None,
            accuracy=None,
            loss=None,
            n=len(live.spec.examples.validation),
            best_epoch=None,
            run_id=run.run_id,
            model_id=None,
            reason=event.reason,
            seconds=time.monotonic() - live.started,
        )

    def _log_best(self, record: TrialRecord) -> None:
        known = [one for one in (self._best, record) if one is not None]
        best = self._best = champion(known, self._sweep.objective)
        if best is not None and best.value is not None:
            told, value, metric = self._told, best.value, self._sweep.metric()
            self._writer.do(lambda: self._run.best_so_far(told, value, metric))


class _LiveTrial:
    """A trial that a worker has now. Its run is made by the writer."""

    def __init__(
        self, spec: TrialSpec, params: Params, run: Future[TrialRun], attempt: int
    ) -> None:
        self.spec = spec
        self.attempt = attempt
        self.params = params
        self.run = run
        self.started = time.monotonic()


@dataclass(frozen=True)
class _EndedTrial:
    """A trial that is being written. `position`: how many ended before it."""

    position: int
    record: Future[TrialRecord]


def _compared(result: TrialResult, scores: Scores) -> tuple[float, float]:
    """Return the accuracy and the loss that trials are compared by: with folds, their means."""
    if not result.folds:
        return scores.accuracy.value, scores.loss
    return (
        statistics.fmean(fold.accuracy for fold in result.folds),
        statistics.fmean(fold.loss for fold in result.folds),
    )


def _causes(records: list[TrialRecord]) -> str:
    causes = Counter(record.reason for record in records if record.state == "FAILED")
    return "; ".join(f"{reason} ({count}x)" for reason, count in causes.most_common(3))
