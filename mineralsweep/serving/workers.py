"""Images of all requests that are under way, answered by one thread a core."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from mineralsweep.machine import cores

MOST_AT_ONCE = 8
"""Images that a thread takes at a time: more of them are no faster, and take memory."""

Task = TypeVar("Task")
Result = TypeVar("Result")


class Workers(Generic[Task, Result]):
    """Threads that take what waits, whichever request it came with, a few at a time.

    Where many wait, a thread takes its share of them at once; where one waits, it is answered at
    once. The threads end when nobody holds their Workers any more.

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
        self._waiting: Waiting = queue.SimpleQueue()
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
            told = self._waiting, self._answer, self._threads
            for _ in range(self._threads):
                threading.Thread(target=_work, args=told, daemon=True).start()
            weakref.finalize(self, _end, self._waiting, self._threads).atexit = False
            self._started = True


Waiting = queue.SimpleQueue[Any]
"""Pairs of a task and its future; None ends the thread that takes it."""


def _end(waiting: Waiting, threads: int) -> None:
    for _ in range(threads):
        waiting.put(None)


def _work(waiting: Waiting, answer: Callable[[Any], Any], threads: int) -> None:
    """Answer what waits, until told to end. It holds no Workers: that would keep them for ever."""
    while True:
        taken = _take(waiting, threads)
        wanted = [one for one in taken if one and one[1].set_running_or_notify_cancel()]
        if wanted:
            _answer(answer, wanted)
        if None in taken:
            return
        del taken, wanted  # the next task may be long in coming


def _answer(answer: Callable[[Any], Any], wanted: Sequence[Any]) -> None:
    try:
        results = list(answer([task for task, _ in wanted]))
        if len(results) != len(wanted):
            raise ValueError(f"{len(results)} results for {len(wanted)} tasks")
    except Exception as error:
        results = [error] * len(wanted)
    for (_, future), result in zip(wanted, results, strict=True):
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def _take(waiting: Waiting, threads: int) -> list[Any]:
    """Return what a thread does next: its share of what waits; nothing after a None."""
    taken = [waiting.get()]
    share = min(MOST_AT_ONCE, waiting.qsize() // threads + 1)
    while len(taken) < share and taken[-1] is not None:
        try:
            taken.append(waiting.get_nowait())
        except queue.Empty:
            break
    return taken
