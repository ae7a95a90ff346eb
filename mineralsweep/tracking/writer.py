"""Writing beside the training: jobs in a thread of their own, in order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


class Writer:
    """Does one job after the other, in the order they were given, while the caller goes on.

    After a job that raised, no other is done: their futures hold the same error. So nothing is
    written behind a gap, and the first cause is the one that is told. Used from one thread.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tracking")
        self._error: BaseException | None = None

    def do(self, job: Callable[[], Answer]) -> Future[Answer]:
        """Give it a job; the future has the job's answer or its error.

        Raises:
            Exception: the error of an earlier job.
        """
        self.check()
        return self._pool.submit(self._do, job)

    def check(self) -> None:
        """Raise the error of the job that failed, if one did."""
        if self._error is not None:
            raise self._error

    def flush(self) -> None:
        """Wait until every job is done.

        Raises:
            Exception: the error of the job that failed.
        """
        self._pool.submit(lambda: None).result()
        self.check()

    def close(self) -> None:
        """Wait for the job at hand, and end the thread; later ones are not done."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _do(self, job: Callable[[], Answer]) -> Answer:
        self.check()
        try:
            return job()
        except BaseException as error:
            self._error = error
            raise
