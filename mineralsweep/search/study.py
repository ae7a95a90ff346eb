"""The loop of a study."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

from mineralsweep.config import Sweep
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord
from mineralsweep.core.trial import FoldResult, TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.drivers import Alone, Drivers
from mineralsweep.engines.engine import Engine, Proposal
from mineralsweep.errors import RunError, StoreAway, SweepFailed
from mineralsweep.executors import Doing, Epoch, Event, Executor, Failed, Finished, FoldEnded
from mineralsweep.search import records
from mineralsweep.search.examples import examples, folds_of
from mineralsweep.search.listener import Listener
from mineralsweep.search.live import LiveTrial
from mineralsweep.search.recovery import INTERRUPTED, TAKEN_OVER, can_go_on, give_up, recover
from mineralsweep.search.specify import specify
from mineralsweep.search.tally import Tally
from mineralsweep.tracking import (
    Change,
    Courier,
    End,
    Entry,
    Outbox,
    SweepRun,
    now_ms,
)
from mineralsweep.tracking.outbox import STATES
from mineralsweep.training.folds import predicted

POLL_SECONDS = 1.0
FAREWELL_SECONDS = 20.0
"""So long a sweep that is stopped goes on delivering to an MLflow that answers."""
STOPPED_EARLY = "each was stopped early; allow more time or more epochs"


class Study:
    """Runs trials until the budget is spent.

    What a trial reports and how it ends is written to the outbox first; then the engine is told,
    and a courier brings it to MLflow. So a finished trial is never trained again, and the training
    does not wait for MLflow.

    Args:
        sweep: the question and its budget; `budget.trials` counts earlier sessions' trials too.
        dataset: what to train on.
        engine: proposes, prunes and remembers.
        executor: trains.
        run: the parent run.
        folder: the outbox; a trial's files are removed once they are in the store.
        listener: is told what happens.
        drivers: who works on the study; None: this driver is alone.
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
        drivers: Drivers | None = None,
    ) -> None:
        self._sweep = sweep
        self._dataset = dataset
        self._engine = engine
        self._executor = executor
        self._outbox = Outbox(folder)
        self._listener = listener
        self._drivers = drivers or Alone()
        self._folds = folds_of(dataset, sweep)
        self._live: dict[int, LiveTrial] = {}
        self._retries: deque[LiveTrial] = deque()
        recover(self._outbox, engine)
        self._tally = Tally(sweep, engine.records())
        self._interrupted: dict[int, Entry] = {}
        self._courier = Courier(run)

    def run(self) -> list[TrialRecord]:
        """Run the trials that the budget leaves, and return the records of all.

        Raises:
            SweepFailed: trials failed one after the other, or none could be completed.
            StoreAway: MLflow does not answer; every result is in the outbox.
            StoreRefused: MLflow refused something; every result is in the outbox.
            RunError: the disk is full, or can't be written to.
        """
        try:
            self._take_up()
            self._run_trials()
            self._settle()
        except BaseException as error:
            self._abandon("interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
            raise
        finally:
            self._courier.close()
        ended = self._engine.records()
        if self._tally.gave_up:
            raise SweepFailed(
                f"stopped after {self._tally.failures} failed trials in a row: {_causes(ended)}"
            )
        if not any(record.state == "COMPLETE" for record in ended):
            raise SweepFailed(f"no trial was completed: {_causes(ended) or STOPPED_EARLY}")
        return ended

    def why_it_ended(self) -> str:
        """Return which rule ended the study, after `run`."""
        return self._tally.why_it_ended()

    def _take_up(self) -> None:
        """Have delivered what an earlier driver left; keep what can go on from a checkpoint."""
        for entry in self._outbox.left():
            if can_go_on(entry):
                self._interrupted[entry.card.number] = entry
                continue
            if not entry.ended:
                give_up(entry, INTERRUPTED)
            self._courier.bring(entry, left=True, whole=True)

    def _run_trials(self) -> None:
        """Run until nothing runs and nothing is wanted, here or with another driver.

        While others have trials, this driver waits: it takes them up if their driver dies.
        """
        while self._fill() or self._live or self._others_are_at_work():
            if not self._live:
                time.sleep(POLL_SECONDS)
            for event in self._executor.wait(POLL_SECONDS):
                self._handle(event)
            self._hear_of_others()
            self._courier.check()
            self._listener.store_away(self._courier.away())
            self._listener.tick()

    def _settle(self) -> None:
        """Wait until MLflow has all of it.

        Raises:
            StoreAway: it does not answer for `faults.store_timeout` seconds.
        """
        for entry in self._interrupted.values():  # nobody asked for them any more
            give_up(entry, INTERRUPTED)
            self._courier.bring(entry, left=True, whole=True)
        since = time.monotonic()
        while not self._courier.flush(POLL_SECONDS):
            away = self._courier.away()
            if away is None:
                since = time.monotonic()
            elif time.monotonic() - since > self._sweep.faults.store_timeout:
                raise StoreAway(f"{away}; all results are kept there")
            self._listener.store_away(away)
            self._listener.tick()
        self._listener.store_away(None)

    def _abandon(self, reason: str) -> None:
        """End what still runs; it is not told, and so comes back first.

        A trial with a checkpoint goes on from there. MLflow or the disk may be what failed; the
        first error must be the one that is told.
        """
        for live in self._live.values():
            live.system.finish()
            with contextlib.suppress(OSError):
                goes_on = can_go_on(live.entry)
                if goes_on:
                    live.entry.add(Change("suspended", reason))
                else:
                    give_up(live.entry, reason)
                self._courier.bring(live.entry, whole=not goes_on)
        self._live.clear()
        self._courier.close(FAREWELL_SECONDS)

    def _fill(self) -> bool:
        """Start trials on the free workers; say whether one was started."""
        started = False
        while self._retries and self._executor.free():
            self._try_again(self._retries.popleft())
            started = True
        while self._executor.free() and self._tally.wants_more(self._taken()):
            proposal = self._engine.ask()
            if proposal is None:  # there may be more once the trials at work are told
                self._tally.exhausted = not (
                    self._live or self._retries or self._others_are_at_work()
                )
                break
            self._start(proposal)
            started = True
        return started

    def _taken(self) -> int:
        if self._drivers.shared:
            return self._engine.taken()
        return self._tally.told + len(self._live) + len(self._retries)

    def _others_are_at_work(self) -> bool:
        shared = self._drivers.shared and not self._tally.is_over()
        return shared and bool(self._engine.at_work())

    def _hear_of_others(self) -> None:
        """Count the trials that other drivers have ended."""
        if not self._drivers.shared:
            return
        for record in self._tally.unheard(self._engine.records()):
            self._count(record)

    def _start(self, proposal: Proposal) -> None:
        size = self._sweep.size_for(str(proposal.params["architecture"]))
        spec = specify(
            proposal.params,
            number=proposal.number,
            epochs=proposal.epochs or self._sweep.budget.epochs,
            patience=self._sweep.budget.patience,
            image_size=size,
            seed=self._sweep.seed,
            weights=self._sweep.weights,
            training=self._sweep.training,
            deepest=self._sweep.deepest(),
            folder=self._outbox.folder,
            examples=examples(self._dataset, size, self._folds),
        )
        if proposal.epochs is not None:  # another trial may go on from its last weights
            spec = replace(spec, keep_last=True)
        if proposal.continues is not None:
            spec = replace(spec, initial=self._state(proposal.continues))
        left = self._interrupted.pop(proposal.number, None)
        if left is not None and "batch_size" in left.card.params:  # a retry may have halved it
            spec = replace(spec, batch_size=int(left.card.params["batch_size"]))
        spec = self._submit(spec, proposal.params, left)
        self._listener.trial_started(spec)

    def _submit(
        self, spec: TrialSpec, params: Params, entry: Entry | None = None, tries: int = 1
    ) -> TrialSpec:
        """Start an attempt, or have one go on from its checkpoint."""
        left = entry is not None
        if entry is None:
            entry = self._outbox.begin(spec, self._outbox.next_attempt(spec.number))
        else:
            entry.add(Change("resumed", ""))
            shutil.rmtree(entry.network, ignore_errors=True)  # half of one, perhaps
        self._courier.bring(entry, left=left)
        spec = replace(
            spec,
            folder=entry.network,
            checkpoint=entry.checkpoint,
            checkpoint_every=self._sweep.faults.checkpoint_every,
        )
        self._live[spec.number] = LiveTrial(spec, params, entry, tries, self._courier)
        self._executor.submit(spec)
        return spec

    def _state(self, number: int) -> Path:
        """Return where the last state of a trial stays that others may go on from."""
        return self._outbox.folder / STATES / f"trial-{number:03d}"

    def _keep_state(self, live: LiveTrial) -> None:
        kept = self._state(live.spec.number)
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # an estimator has none
            live.entry.checkpoint.rename(kept)

    def _handle(self, event: Event) -> None:
        live = self._live[event.number]
        if isinstance(event, Doing):
            self._listener.trial_does(live.spec, event.words)
        elif isinstance(event, Epoch):
            self._answer(live, event)
        elif isinstance(event, FoldEnded):
            self._judge(live, event.fold)
        else:
            self._end(live, event)

    def _answer(self, live: LiveTrial, event: Epoch) -> None:
        report, fold, number = event.report, event.fold, event.number
        live.write(report.metrics(fold), report.epoch)
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

    def _judge(self, live: LiveTrial, fold: FoldResult) -> None:
        """Say after one fold whether the trial's others are worth their time."""
        live.write(fold.metrics(), fold.fold)
        value = fold.accuracy if self._sweep.objective == "accuracy" else fold.loss
        reason = self._engine.report(live.spec.number, fold.fold, value)
        self._executor.answer(live.spec.number, reason or self._time_is_up(), fold.fold)
        self._listener.fold_ended(live.spec, fold)

    def _time_is_up(self) -> str | None:
        return records.TIME_IS_UP if self._tally.time_is_up() else None

    def _end(self, live: LiveTrial, event: Finished | Failed) -> None:
        if isinstance(event, Failed) and event.fault == "disk":
            # The trial is not told: it comes back first.
            raise RunError(f"trial {event.number}: {event.reason}; make room on the disk")
        live.system.finish()
        if isinstance(event, Failed) and self._may_pass(live, event):
            live.entry.conclude(End("FAILED", event.reason, now_ms(), log=event.log))
            self._courier.bring(live.entry, whole=True)
            self._retry(live, event)
            return
        if isinstance(event, Finished):
            record = records.of_result(self._sweep, live.spec, live.params, event.result)
        else:
            record = records.of_failure(live.spec, live.params, event, live.seconds())
        lost = self._drivers.shared and not self._engine.owns(event.number)
        if lost:
            give_up(live.entry, TAKEN_OVER)
        else:
            if isinstance(event, Finished) and live.spec.keep_last:
                self._keep_state(live)
            self._keep(live, event, record)
        del self._live[event.number]
        if not lost:
            self._engine.tell(record)
            self._count(record)
        self._courier.bring(live.entry, whole=True)

    def _may_pass(self, live: LiveTrial, event: Failed) -> bool:
        return event.fault in ("crash", "memory") and live.tries <= self._sweep.faults.retries

    def _retry(self, live: LiveTrial, event: Failed) -> None:
        """Have a trial tried again, in a run and a folder of its own; the failed run stays.

        It waits for a free worker: with folds, another trial's may have taken this one's.
        """
        del self._live[event.number]
        batch = live.spec.batch_size
        if event.fault == "memory":
            live.spec = replace(live.spec, batch_size=max(1, batch // 2))
        self._retries.append(live)
        self._listener.trial_retried(live.spec, event.reason)

    def _try_again(self, failed: LiveTrial) -> None:
        self._submit(failed.spec, failed.params, tries=failed.tries + 1)

    def _keep(self, live: LiveTrial, event: Finished | Failed, record: TrialRecord) -> None:
        """Write a trial's end to the outbox. From here on, it can't be lost."""
        result = event.result if isinstance(event, Finished) else None
        live.entry.conclude(
            End(
                state=record.state,
                reason=record.reason,
                time=now_ms(),
                record=record.to_dict(),
                best=self._tally.best_with(record),
                log=event.log if isinstance(event, Failed) else "",
                result=result,
                predicted=predicted(live.spec, result) if result else None,
            )
        )

    def _count(self, record: TrialRecord) -> None:
        """Count an ended trial, and see what it means for the study."""
        self._tally.count(record, self._engine.records())
        self._listener.trial_ended(record)


def _causes(ended: list[TrialRecord]) -> str:
    causes = Counter(record.reason for record in ended if record.state == "FAILED")
    return "; ".join(f"{reason} ({count}x)" for reason, count in causes.most_common(3))
