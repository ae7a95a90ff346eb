"""The loop of a study: the only code that runs trials."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

from mineralsweep import files
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.core.trial import FoldResult, TrialSpec
from mineralsweep.engines.engine import Engine, Proposal
from mineralsweep.errors import RunError, StoreAway, SweepFailed
from mineralsweep.executors import (
    Doing,
    Epoch,
    Event,
    Executor,
    Failed,
    Finished,
    FoldEnded,
    Slots,
)
from mineralsweep.search import records
from mineralsweep.search.attempt import Attempt
from mineralsweep.search.budget import Budget
from mineralsweep.search.listener import Listener
from mineralsweep.search.recovery import can_go_on, give_up
from mineralsweep.search.state import State
from mineralsweep.search.task import Task
from mineralsweep.tracking import Change, Courier, End, Entry, Outbox, StudyRun, now_ms
from mineralsweep.tracking.outbox import STATES
from mineralsweep.tracking.study_run import INTERRUPTED
from mineralsweep.training.folds import predicted

POLL_SECONDS = 1.0
FAREWELL_SECONDS = 20.0
"""So long a study that is stopped goes on delivering to an MLflow that answers."""
STOPPED_EARLY = "each was stopped early; allow more time or more epochs"
BASELINE_POINT = Proposal(BASELINE, {"architecture": "colour_texture"}, epochs=1)
"""The hand-crafted features with their defaults: what every other trial has to beat."""


class Study:
    """Runs trials until the budget is spent.

    What a trial reports and how it ends is written to the outbox first; then the engine is told,
    and a courier brings it to MLflow. So a finished trial is never trained again, and the training
    does not wait for MLflow. The baseline is a trial like the others, the first one; its record is
    in the state, and the engine hears nothing of it.

    Args:
        task: makes trials of proposals; `budget.trials` counts earlier sessions' trials too.
        engine: proposes, prunes and remembers.
        executor: trains.
        state: of the study.
        outbox: a trial's files are removed from it once they are in the store.
        run: the study's run in MLflow.
        listener: is told what happens.
    """

    def __init__(
        self,
        task: Task,
        engine: Engine,
        executor: Executor,
        state: State,
        outbox: Outbox,
        run: StudyRun,
        listener: Listener,
    ) -> None:
        self._task = task
        self._sweep = task.sweep
        self._engine = engine
        self._executor = executor
        self._state = state
        self._outbox = outbox
        self._listener = listener
        self._live: dict[int, Attempt] = {}
        self._retries: deque[Attempt] = deque()
        self._budget = Budget(task.sweep, engine.records())
        self._interrupted: dict[int, Entry] = {}
        self._run = run
        self._slots: Slots | None = None
        self._courier: Courier
        first = state.baseline_record()
        is_wanted = state.kind == "sweep" and task.sweep.baseline != "none"
        self._asks_baseline = is_wanted and (first is None or first.state == "FAILED")

    def run(self) -> list[TrialRecord]:
        """Run the trials that the budget leaves, and return the records of all.

        Raises:
            SweepFailed: trials failed one after the other, or neither one nor the baseline could be
                completed.
            StoreAway: MLflow does not answer; every result is in the outbox.
            StoreRefused: MLflow refused something; every result is in the outbox.
            RunError: the disk is full, or can't be written to.
        """
        self._courier = Courier(self._run)
        try:
            self._bring_left()
            self._run_trials()
            self._settle()
        except BaseException as error:
            self._abandon("interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
            raise
        finally:
            self._courier.close()
        ended = self._engine.records()
        if self._budget.gave_up:
            raise SweepFailed(
                f"stopped after {self._budget.failures} failed trials in a row: {_causes(ended)}"
            )
        usable = self._state.with_baseline(ended, self._sweep)
        if not any(record.state == "COMPLETE" for record in usable):
            raise SweepFailed(f"no trial was completed: {_causes(ended) or STOPPED_EARLY}")
        return ended

    def why_it_ended(self) -> str:
        """Return which rule ended the search, after `run`."""
        return self._budget.why_it_ended()

    def _bring_left(self) -> None:
        """Have delivered what an earlier driver left; keep what can go on from a checkpoint."""
        for entry in self._outbox.left():
            if can_go_on(entry):
                self._interrupted[entry.card.number] = entry
                continue
            if not entry.ended:
                give_up(entry, INTERRUPTED)
            self._courier.bring(entry, left=True, whole=True)

    def _run_trials(self) -> None:
        # Without a place for a trial there may be one later: a cluster's nodes come and go.
        while self._fill() or self._live or (self._wants_more() and not self._executor.free()):
            self._tell_slots()
            for event in self._executor.wait(POLL_SECONDS):
                self._handle(event)
            self._courier.check()
            self._listener.store_away(self._courier.away())
            self._listener.tick()

    def _wants_more(self) -> bool:
        return bool(self._retries) or self._budget.wants_more(0)

    def _tell_slots(self) -> None:
        """Say where trials run, when that has changed."""
        slots = self._executor.slots()
        if slots != self._slots:
            self._slots = slots
            self._listener.slots_changed(slots.count, slots.words)

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
            live.finish()
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
        while self._executor.free():
            if self._retries:
                failed = self._retries.popleft()
                entry = failed.entry if failed.goes_on else None
                self._submit(failed.spec, failed.params, entry, failed.tries + 1)
            elif (proposal := self._next()) is not None:
                self._start(proposal)
            else:
                break
            started = True
        return started

    def _next(self) -> Proposal | None:
        """Return the next trial that the budget allows, the baseline first."""
        if self._asks_baseline and not self._budget.is_over():
            self._asks_baseline = False
            return BASELINE_POINT
        running = sum(number != BASELINE for number in self._live) + len(self._retries)
        if not self._budget.wants_more(running):
            return None
        proposal = self._engine.ask()
        if proposal is None:  # there may be more once the trials that run are told
            self._budget.exhausted = not (self._live or self._retries)
        return proposal

    def _start(self, proposal: Proposal) -> None:
        spec = self._task.specify(proposal, self._outbox.folder)
        if proposal.continues is not None:
            spec = replace(spec, initial=self._last_state(proposal.continues))
        left = self._interrupted.pop(proposal.number, None)
        if left is not None and "batch_size" in left.card.params:  # a retry may have halved it
            spec = replace(spec, batch_size=int(left.card.params["batch_size"]))
        division = {"division": proposal.division} if proposal.division else {}
        spec = self._submit(spec, {**proposal.params, **division}, left)
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
        self._live[spec.number] = Attempt(
            spec, params, entry, tries, self._courier, self._executor.slots().here
        )
        self._executor.submit(spec)
        return spec

    def _last_state(self, number: int) -> Path:
        """Return where the last state of a trial stays that others may go on from."""
        return self._outbox.folder / STATES / f"trial-{number:03d}"

    def _keep_state(self, live: Attempt) -> None:
        kept = self._last_state(live.spec.number)
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # an estimator has none
            files.move(live.entry.checkpoint, kept)

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

    def _answer(self, live: Attempt, event: Epoch) -> None:
        report, fold, number = event.report, event.fold, event.number
        live.write(report.metrics(fold), report.epoch)
        reason = None
        # Folds are judged when they have ended. An estimator's only epoch is no measure for the
        # first one of a network.
        only = live.spec.epochs == 1 < self._sweep.budget.epochs
        if fold is None and not only:
            reason = self._report(number, report.epoch, report.value(self._sweep.objective))
        # After the last epoch there is nothing left to save by stopping.
        last = report.epoch == live.spec.epochs
        self._executor.answer(number, None if last else reason or self._time_is_up(), fold)
        self._listener.epoch_ended(live.spec, report, fold)

    def _judge(self, live: Attempt, fold: FoldResult) -> None:
        """Say after one fold whether the trial's others are worth their time."""
        live.write(fold.metrics(), fold.fold)
        reason = self._report(live.spec.number, fold.fold, fold.value(self._sweep.objective))
        self._executor.answer(live.spec.number, reason or self._time_is_up(), fold.fold)
        self._listener.fold_ended(live.spec, fold)

    def _report(self, number: int, step: int, value: float) -> str | None:
        return None if number == BASELINE else self._engine.report(number, step, value)

    def _time_is_up(self) -> str | None:
        return records.TIME_IS_UP if self._budget.time_is_up() else None

    def _end(self, live: Attempt, event: Finished | Failed) -> None:
        if isinstance(event, Failed) and event.fault == "disk":
            # The trial is not told: it comes back first.
            raise RunError(f"trial {event.number}: {event.reason}; make room on the disk")
        live.finish()
        if isinstance(event, Failed) and self._may_pass(live, event):
            del self._live[event.number]
            self._retry(live, event)
        else:
            record = self._conclude(live, event)
            del self._live[event.number]
            self._tell(record)
            self._listener.trial_ended(record)
        self._courier.bring(live.entry, whole=not live.goes_on)

    def _may_pass(self, live: Attempt, event: Failed) -> bool:
        return event.fault in ("crash", "memory") and live.tries <= self._sweep.faults.retries

    def _retry(self, live: Attempt, event: Failed) -> None:
        """Have a trial tried again.

        After a crash it goes on from its checkpoint, if it has one. Else the failed run stays, and
        the trial gets a run and a folder of its own. It waits for a free worker: with folds,
        another trial's may have taken this one's.
        """
        live.goes_on = event.fault == "crash" and can_go_on(live.entry)
        if live.goes_on:
            live.entry.add(Change("suspended", event.reason))
        else:
            live.entry.conclude(End("FAILED", event.reason, now_ms(), log=event.log))
        if event.fault == "memory":
            live.spec = replace(live.spec, batch_size=max(1, live.spec.batch_size // 2))
        self._retries.append(live)
        self._listener.trial_retried(live.spec, event.reason, live.goes_on)

    def _conclude(self, live: Attempt, event: Finished | Failed) -> TrialRecord:
        """Write a trial's end to the outbox. From here on, it can't be lost."""
        if isinstance(event, Failed):
            record = records.of_failure(live.spec, live.params, event, live.seconds())
            end = self._ending(record, log=event.log)
        else:
            result = event.result
            record = records.of_result(
                self._sweep.objective, live.spec, live.params, result, self._sweep.folds
            )
            end = replace(
                self._ending(record), result=result, predicted=predicted(live.spec, result)
            )
            if live.spec.keep_last:
                self._keep_state(live)
        live.entry.conclude(end)
        return record

    def _ending(self, record: TrialRecord, log: str = "") -> End:
        best = self._budget.best_with(record) if self._state.kind == "sweep" else None
        return End(record.state, record.reason, now_ms(), record.to_dict(), best, log)

    def _tell(self, record: TrialRecord) -> None:
        if record.number == BASELINE:
            self._state.baseline = record.to_dict()
            self._state.save()
        else:
            self._engine.tell(record)
            self._budget.count(record)


def _causes(ended: list[TrialRecord]) -> str:
    causes = Counter(record.reason for record in ended if record.state == "FAILED")
    return "; ".join(f"{reason} ({count}x)" for reason, count in causes.most_common(3))
