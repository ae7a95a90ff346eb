"""Images of all requests that are under way, answered by one thread a core."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

MOST_AT_ONCE = 8
"""Images that a thread takes at a time: more of them are no faster, and take memory."""

Task = TypeVar("Task")
Result = TypeVar("Result")
Waiting = tuple[Task, "Future[Result]"]


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Workers(Generic[Task, Result]):
    """Threads that take what waits, whichever request it came with, a few at a time.

    Where many wait, a thread takes its share of them at once; where one waits, it is answered at
    once. The threads end with the process.

    Args:
        answer: called with at least one task; returns a result a task, or an exception in its
            place. Called from several threads at a time.
        threads: how many; None: one a core.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Task]], Sequence[Result | Exception]],
        threads: int | None = None,
    ) -> None:
        self._answer = answer
        self._waiting: queue.SimpleQueue[Waiting[Task, Result]] = queue.SimpleQueue()
        self._threads = threads or cores()
        self._started = False
        self._starting = threading.Lock()

    def submit(self, tasks: Sequence[Task]) -> list[Future[Result]]:
        """Return a future a task, in their order."""
        self._start()
        futures: list[Future[Result]] = [Future() for _ in tasks]
        for waiting in zip(tasks, futures, strict=True):
            self._waiting.put(waiting)
        return futures

    def _start(self) -> None:
        """Start the threads, when the first task comes: a forked process has none of its parent."""
        with self._starting:
            if self._started:
                return
            for _ in range(self._threads):
                threading.Thread(target=self._work, daemon=True).start()
            self._started = True

    def _work(self) -> None:
        while True:
            taken = self._take()
            wanted = [one for one in taken if one[1].set_running_or_notify_cancel()]
            if not wanted:
                continue
            try:
                results = self._answer([task for task, _ in wanted])
            except Exception as error:
                results = [error] * len(wanted)
            for (_, future), result in zip(wanted, results, strict=True):
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _take(self) -> list[Waiting[Task, Result]]:
        taken = [self._waiting.get()]
        share = min(MOST_AT_ONCE, self._waiting.qsize() // self._threads + 1)
        while len(taken) < share:
            try:
                taken.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return taken
