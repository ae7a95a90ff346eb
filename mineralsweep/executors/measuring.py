"""Trials whose models are compiled and measured once they are trained, all in one place."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from concurrent import futures
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from mineralsweep.core.trial import Examples, TrialSpec
from mineralsweep.executors.executor import Doing, Event, Executor, Failed, Finished, Slots
from mineralsweep.executors.worker import die_with, print_to

PAUSE = 0.2
"""Seconds between looks at what is measured while trials run."""
LOG = "measuring.log"


class MeasuringExecutor:
    """Has the model of each trial that ends measured before it is told; see `Executor`.

    One process of this machine measures all of them, one after the other, whatever trained them:
    folds, votes, and nodes of a cluster, which would be as fast as they are. It starts with the
    first model.

    Args:
        inner: runs the trainings; closed with this one.
        logs: takes what the process prints.
    """

    def __init__(self, inner: Executor, logs: Path) -> None:
        self._inner = inner
        self._log = logs / LOG
        self._examples: dict[int, Examples] = {}
        self._measured: list[_Measured] = []
        self._pool: ProcessPoolExecutor | None = None

    def slots(self) -> Slots:
        return self._inner.slots()

    def free(self) -> int:
        return self._inner.free()

    def submit(self, spec: TrialSpec) -> None:
        self._inner.submit(spec)
        self._examples[spec.number] = spec.examples

    def wait(self, timeout: float) -> list[Event]:
        started = time.monotonic()
        events: list[Event] = []
        for event in self._inner.wait(min(timeout, PAUSE) if self._measured else timeout):
            if isinstance(event, Finished):
                events.append(Doing(event.number, "measuring the compiled model"))
                self._begin(event)
                continue
            if isinstance(event, Failed):
                del self._examples[event.number]
            events.append(event)
        left = 0.0 if events else max(0.0, timeout - (time.monotonic() - started))
        if self._measured:
            futures.wait([one.future for one in self._measured], min(left, PAUSE),
                         futures.FIRST_COMPLETED)  # fmt: skip
        return [*events, *self._ended()]

    def answer(self, number: int, stop_reason: str | None, fold: int | None = None) -> None:
        self._inner.answer(number, stop_reason, fold)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._inner.close()

    def _begin(self, event: Finished) -> None:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1,
                multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(os.getpid(), self._log),
            )
        examples = self._examples.pop(event.number)
        try:
            future = self._pool.submit(_measure, event.result.folder, examples)
        except BrokenProcessPool as error:
            future = Future()
            future.set_exception(error)
        self._measured.append(_Measured(event, future))

    def _ended(self) -> list[Event]:
        done = [one for one in self._measured if one.future.done()]
        self._measured = [one for one in self._measured if not one.future.done()]
        events: list[Event] = []
        for one in done:
            try:
                result = replace(one.event.result, costs=one.future.result())
                events.append(Finished(one.event.number, result))
            except BrokenProcessPool:
                self._pool = None  # another one takes the next model
                why = f"the process that measured its model died, see {self._log}"
                events.append(Failed(one.event.number, why, fault="crash"))
            except Exception as error:
                why = f"its model can't be measured: {type(error).__name__}: {error}"
                events.append(Failed(one.event.number, why))
        return events


@dataclass(frozen=True)
class _Measured:
    """A trial that has ended, and what its model will be found to cost."""

    event: Finished
    future: Future[Mapping[str, float]]


def _start(driver: int, log: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C means
    die_with(driver)
    print_to(log)


def _measure(folder: Path, examples: Examples) -> Mapping[str, float]:
    """Measure a model; loads TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mineralsweep.training import costs

    return costs.measure(folder, examples)
