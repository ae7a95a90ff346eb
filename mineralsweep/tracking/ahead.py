"""Processes that make trials' artifacts ahead of the courier, once many trials wait for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor

from mineralsweep.executors.worker import die_with
from mineralsweep.machine import cores
from mineralsweep.tracking.artifacts import Artifacts, Validated, make
from mineralsweep.tracking.outbox import Entry

MOST = 4
"""Processes: one courier has no use for more."""


class Ahead:
    """Some processes, started with the first entry; used by one thread at a time.

    Drawing and packing take two thirds of what a delivered trial costs, and need no tracking store.
    """

    def __init__(self) -> None:
        self.room = 2 * max(1, min(MOST, cores() - 1))
        """How many entries are worth being begun ahead."""
        self._pool: ProcessPoolExecutor | None = None

    @property
    def started(self) -> bool:
        """Whether there are processes."""
        return self._pool is not None

    def begin(self, entry: Entry, validated: Validated) -> Future[Artifacts] | None:
        """Have an entry's artifacts made; None where the processes are gone."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.room // 2,
                multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(os.getpid(),),
            )
        try:
            return self._pool.submit(
                make, entry.end(), validated, entry.card.architecture, entry.artifacts
            )
        except BrokenExecutor:
            return None

    def close(self) -> None:
        """End the processes; what was not begun is not made."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _begin(driver: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C means
    die_with(driver)
