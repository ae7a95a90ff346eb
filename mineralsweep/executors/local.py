"""Trials in processes of this machine, recycled as their memory grows."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from mineralsweep import machine
from mineralsweep.config.sections import ANY, Resources
from mineralsweep.core.trial import TrialSpec
from mineralsweep.executors import worker
from mineralsweep.executors.executor import Event, Failed, Fault, Finished, Slots
from mineralsweep.executors.limits import Limits, Watch

TRIALS_A_WORKER = 25
GROWTH_LIMIT = 2 * 2**30
"""Bytes that a worker may grow by after its first trial before it is replaced."""
LOG_TAIL = 8_000


class LocalExecutor:
    """A pool of `workers` processes; see `Executor` for the contract.

    The processes start at once, so that TensorFlow loads while the driver still prepares. They
    share the machine's cores evenly; where there are GPUs, each process sees one of them.

    Args:
        workers: trials that run at a time.
        folder: takes the workers' logs; made if need be.
        trial_timeout: seconds after which a trial is ended as failed; None: never.
        silence_timeout: the same, since its last report; None: never.
        resources: of a trial; its CPUs are threads.
        address: of no cluster: must be "".
    """

    def __init__(
        self,
        workers: int,
        folder: Path,
        trial_timeout: float | None = None,
        silence_timeout: float | None = None,
        resources: Resources = ANY,
        address: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._limits = Limits.of(trial_timeout, silence_timeout)
        self._threads = resources.cpus or max(1, machine.cores() // workers)
        self._gpus = machine.gpus()
        self._started = 0
        self._workers = [self._start(place) for place in range(workers)]

    def free(self) -> int:
        return sum(one.spec is None for one in self._workers)

    def slots(self) -> Slots:
        return Slots(len(self._workers))

    def submit(self, spec: TrialSpec) -> None:
        one = next((one for one in self._workers if one.spec is None), None)
        if one is None:
            raise RuntimeError(f"trial {spec.number}: every worker is busy")
        if not one.process.is_alive():  # it died idle: that must not cost a trial
            one = self._replace(one)
        one.take(spec)
        with contextlib.suppress(BrokenPipeError):
            one.pipe.send(spec)

    def wait(self, timeout: float) -> list[Event]:
        busy = {one.pipe: one for one in self._workers if one.spec is not None}
        if not busy:
            return []
        events = []
        for pipe in wait(list(busy), timeout):
            one = busy[pipe]  # type: ignore[index]
            try:
                events.append(self._receive(one))
            except (EOFError, OSError):  # also in the middle of a message
                events.append(self._bury(one))
        for one in list(self._workers):
            if one.spec and (reason := one.watch.too_late(self._limits)):
                events.append(Failed(one.number(), reason, one.log_tail(), "timeout"))
                self._replace(one)
        return events

    def answer(self, number: int, stop_reason: str | None, fold: int | None = None) -> None:
        for one in self._workers:
            if one.spec is not None and one.spec.number == number:
                one.watch.hear()  # until now it waited for us
                with contextlib.suppress(BrokenPipeError):
                    one.pipe.send(stop_reason)

    def close(self) -> None:
        for one in self._workers:
            one.end()
        self._workers = []

    def _start(self, place: int) -> _Worker:
        log = self._folder / f"worker-{self._started}.log"
        self._started += 1
        gpu = self._gpus[place % len(self._gpus)] if self._gpus else None
        return _Worker(log, self._threads, gpu)

    def _receive(self, one: _Worker) -> Event:
        event, memory = one.receive()
        one.watch.hear()
        if not isinstance(event, Finished | Failed):
            return event
        if isinstance(event, Failed):
            event = replace(event, log=one.log_tail())
        one.spec = None
        one.served += 1
        one.first_memory = one.first_memory or memory
        if one.served >= TRIALS_A_WORKER or memory - one.first_memory > GROWTH_LIMIT:
            self._replace(one)
        return event

    def _bury(self, one: _Worker) -> Event:
        number = one.number()
        one.process.join()
        code = one.process.exitcode or 0
        how = _ended_by(code)
        fault: Fault = "crash"
        if how == "signal SIGKILL" and machine.oom_kills() > one.oom_kills:
            how, fault = "the machine was out of memory", "memory"
        event = Failed(number, f"the worker process died: {how}", one.log_tail(), fault)
        self._replace(one)
        return event

    def _replace(self, one: _Worker) -> _Worker:
        one.end()
        place = self._workers.index(one)
        fresh = self._workers[place] = self._start(place)
        return fresh


def _ended_by(code: int) -> str:
    """Say how a process ended, of multiprocessing's exit code: below 0, a signal's number."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # one without a name here
        return f"signal {-code}"


class _Worker:
    """One process, its pipe, and the trial it has, if any."""

    def __init__(self, log: Path, threads: int, gpu: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=worker.serve, args=(theirs, log, threads, gpu), daemon=True
        )
        self.process.start()
        theirs.close()
        self._log = log
        self.spec: TrialSpec | None = None
        self.watch = Watch()
        self.served = 0
        self.first_memory = 0
        self.oom_kills = machine.oom_kills()

    pipe: Connection

    def take(self, spec: TrialSpec) -> None:
        self.spec = spec
        self.watch = Watch()

    def receive(self) -> worker.Message:
        message: worker.Message = self.pipe.recv()
        return message

    def number(self) -> int:
        assert self.spec is not None
        return self.spec.number

    def log_tail(self) -> str:
        try:
            return self._log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
        except OSError:
            return ""

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
