"""The courier: brings the outbox to MLflow beside the training, and waits where nobody answers."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

from mineralsweep.errors import StoreRefused
from mineralsweep.tracking.ahead import Ahead
from mineralsweep.tracking.artifacts import Artifacts, Validated, make
from mineralsweep.tracking.client import FIRST_PAUSE, LONGEST_PAUSE, impatient, may_pass, shorten
from mineralsweep.tracking.outbox import Change, End, Entry, Point
from mineralsweep.tracking.study_run import StudyRun
from mineralsweep.tracking.trial_run import TrialRun

MANY = 8
"""Ended trials that wait: from then on, other processes make their artifacts."""
AT_ONCE = 4
"""Entries on their way to a server. A database file takes one write at a time."""


_LATE: list[threading.Thread] = []
"""Threads of couriers that were closed, and have a request under way."""


class Delivery:
    """An entry on its way. `bring` may be called again and again, also after an error.

    Args:
        run: the study's run.
        entry: what is to be delivered.
        doubt: whether some of it may be there already: another driver began, or a request had no
            answer. Then MLflow is asked before anything is written.

    Attributes:
        whole: whether the entry's end may be delivered: only once the engine was told, since the
            entry is removed then.
        done: whether MLflow has all of it.
    """

    def __init__(self, run: StudyRun, entry: Entry, doubt: bool) -> None:
        self._study_run = run
        self._entry = entry
        self._run: TrialRun | None = None
        self._made: Future[Artifacts] | None = None
        self._making = threading.Lock()
        self._described = False
        self._delivered = 0
        self._doubted = False
        self.doubt = doubt
        self.whole = False
        self.done = False

    @property
    def waiting(self) -> int:
        """How many writes are still to be delivered."""
        if self.done:
            return 0
        return len(self._entry.happened) - self._delivered + self._entry.ended

    def bring(self) -> None:
        """Deliver all that the entry holds now; remove it once it is whole.

        Raises:
            Exception: MLflow's; nothing is lost, and nothing will stand twice.
        """
        if self.done:
            return
        self._doubted = self._doubted or self.doubt
        run = self._open()
        if not self._described:
            run.describe(self._entry.card.params)
            self._described = True
        self._bring_what_happened(run)
        if self.whole and self._delivered == len(self._entry.happened):
            self._bring_end(run)
            if self._doubted:  # a request that timed out may have been carried out since
                self._study_run.find_trial(self._entry.card, keep=run.run_id)
            self._entry.remove()
            self.done = True
        self.doubt = False

    def begin(self, ahead: Ahead) -> None:
        """Have the artifacts of a whole entry made ahead; what fails is tried again by `bring`."""
        with self._making, contextlib.suppress(Exception):
            if self._made is None and (end := self._entry.end()).predicted is not None:
                self._made = ahead.begin(self._entry, self._validated(end))

    def _validated(self, end: End) -> Validated:
        assert end.predicted is not None
        return Validated.of(self._study_run.dataset_of(self._entry.card), end.predicted.rows)

    def _artifacts(self, end: End) -> Artifacts:
        """Return the artifacts, made ahead or now; where others failed at them, its own error."""
        with self._making:  # never by two at a time
            if self._made is not None:
                with contextlib.suppress(Exception, CancelledError):
                    return self._made.result()
            card = self._entry.card
            made = make(end, self._validated(end), card.architecture, self._entry.artifacts)
            self._made = Future()
            self._made.set_result(made)
            return made

    def _open(self) -> TrialRun:
        card = self._entry.card
        if self._run is None or self.doubt:
            known = self._run.run_id if self._run else ""
            found = self._study_run.find_trial(card, known) if self.doubt else None
            self._run = found or self._study_run.start_trial(card)
            if self.doubt:
                self._run.go_on()
        return self._run

    def _bring_what_happened(self, run: TrialRun) -> None:
        ahead = self._entry.happened[self._delivered :]
        for kind, group in itertools.groupby(ahead, key=type):
            several = list(group)
            if kind is Point:
                points = [one for one in several if isinstance(one, Point)]
                run.write(run.without_known(points) if self.doubt else points)
            for one in several:
                if isinstance(one, Change) and one.kind == "suspended":
                    run.suspend(one.reason)
                elif isinstance(one, Change):
                    run.go_on()
            self._delivered += len(several)

    def _bring_end(self, run: TrialRun) -> None:
        end = self._entry.end()
        if end.result is None:
            run.fail(end.reason, end.log, end.time)
        else:
            run.finish(end, self._artifacts(end), self._doubted)
        if end.best is not None:
            self._study_run.best_so_far(end.best, end.time)


@dataclass(frozen=True)
class Away:
    """MLflow does not answer.

    Attributes:
        seconds: since it last did.
        writes: that wait on disk.
        reason: the last error, in one line.
    """

    seconds: float
    writes: int
    reason: str

    def __str__(self) -> str:
        return (
            f"MLflow has been unreachable for {self.seconds:.0f} s ({self.reason});"
            f" {self.writes} writes wait on disk"
        )


class Courier:
    """Delivers entries in the order in which they had something new.

    To a server several are on their way at once; an entry never twice. An error that may pass is
    waited out, for as long as it takes; no thread overtakes what it waits for. One that can't pass
    ends all delivering, and is raised by the next `check`. Used from one thread.
    """

    def __init__(self, run: StudyRun) -> None:
        self._run = run.asking_once()
        self._patience = impatient()
        self._ahead = Ahead()
        self._deliveries: dict[str, Delivery] = {}
        self._queue: deque[Delivery] = deque()
        self._busy: list[Delivery] = []
        self._looking = threading.Lock()
        self._closed = False
        self._error: BaseException | None = None
        self._reason = ""
        self._last_answer = time.monotonic()
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name="courier", daemon=True)
            for _ in range(AT_ONCE if run.is_of_server else 1)
        ]
        for thread in self._threads:
            thread.start()

    def bring(self, entry: Entry, *, left: bool = False, whole: bool = False) -> None:
        """Have all that an entry holds delivered; to be called again when it holds more.

        Args:
            entry: of the outbox.
            left: whether an earlier driver made it.
            whole: whether it has its end, and the engine was told.
        """
        with self._changed:
            known = self._deliveries.setdefault(
                entry.card.token, Delivery(self._run, entry, doubt=left)
            )
            known.whole = known.whole or whole
            if known not in self._queue:
                self._queue.append(known)
            self._changed.notify_all()

    def check(self) -> None:
        """Raise the error that ended the delivering, if one did.

        Raises:
            StoreRefused: MLflow refused something, and would do so again.
        """
        if self._error is not None:
            first = (str(self._error).splitlines() or [type(self._error).__name__])[0]
            raise StoreRefused(
                f"MLflow: {first}; nothing is lost: what it does not have waits on disk"
            ) from self._error

    def away(self) -> Away | None:
        """Return since when MLflow does not answer; None while it does."""
        if not self._reason:
            return None
        with self._changed:
            writes = sum(one.waiting for one in self._deliveries.values())
        return Away(time.monotonic() - self._last_answer, writes, self._reason)

    def flush(self, seconds: float) -> bool:
        """Wait until all is delivered, at most so long; say whether it is.

        Raises:
            StoreRefused: see `check`.
        """
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._error is not None or not (self._queue or self._busy), seconds
            )
        self.check()
        return done

    def close(self, seconds: float = 0.0) -> None:
        """End the threads, after they have delivered for at most so many seconds more.

        While MLflow does not answer, nothing is waited for: a later driver delivers.
        """
        deadline = time.monotonic() + 2 * seconds
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._error is not None or bool(self._reason) or not (self._queue or self._busy)
                ),
                seconds,
            )
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._patience.close()
        with self._looking:
            self._ahead.close()
        _LATE.extend(thread for thread in self._threads if thread.is_alive())

    @staticmethod
    def wait_for_earlier() -> None:
        """Wait for threads of this process that were in the middle of a delivery when closed.

        Two must not deliver the same entry: to be called before an outbox is read.
        """
        while _LATE:
            _LATE.pop().join()

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            self._look_ahead()
            self._bring(delivery)
            with self._changed:
                self._busy.remove(delivery)
                if delivery.done:
                    self._deliveries = {
                        token: one for token, one in self._deliveries.items() if not one.done
                    }
                self._changed.notify_all()

    def _look_ahead(self) -> None:
        with self._changed:
            waiting = [one for one in self._queue if one.whole and one not in self._busy]
        with self._looking:
            if not self._closed and (len(waiting) >= MANY or self._ahead.started):
                for one in waiting[: self._ahead.room]:
                    one.begin(self._ahead)

    def _next(self) -> Delivery | None:
        """Return the first entry that has something new and that no other thread has."""

        def ready() -> Delivery | None:
            return next((one for one in self._queue if one not in self._busy), None)

        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._error is not None or ready() is not None
            )
            found = ready()
            if self._closed or self._error is not None or found is None:
                return None
            self._queue.remove(found)
            self._busy.append(found)
            return found

    def _bring(self, delivery: Delivery) -> None:
        pause = FIRST_PAUSE
        while not self._closed:
            try:
                delivery.bring()
            except Exception as error:
                delivery.doubt = True
                if not may_pass(error):
                    self._error = error
                    return
                self._reason = shorten(error)
            else:
                self._last_answer, self._reason = time.monotonic(), ""
                return
            with self._changed:
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed, pause)
            pause = min(2 * pause, LONGEST_PAUSE)
