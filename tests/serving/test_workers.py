"""The workers: each image once, batches of what waits, an error costs its own image alone."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from mineralsweep.serving.workers import MOST_AT_ONCE, Workers


def test_every_task_gets_its_own_result_from_many_threads() -> None:
    workers = Workers[int, int](lambda tasks: [2 * task for task in tasks], threads=3)

    def ask(start: int) -> list[int]:
        return [one.result(10) for one in workers.submit(range(start, start + 20))]

    with ThreadPoolExecutor(8) as clients:
        found = list(clients.map(ask, range(0, 2000, 20)))
    assert [one for part in found for one in part] == [2 * task for task in range(2000)]


def test_what_waits_is_taken_together_and_what_does_not_is_not_kept_waiting() -> None:
    sizes: list[int] = []
    going, first = threading.Event(), threading.Event()

    def answer(tasks: Sequence[int]) -> list[int]:
        first.set()
        going.wait(10)
        sizes.append(len(tasks))
        return list(tasks)

    workers = Workers(answer, threads=1)
    [alone] = workers.submit([0])
    first.wait(10)
    others = workers.submit(range(1, 21))
    going.set()
    assert [one.result(10) for one in (alone, *others)] == list(range(21))
    assert sizes[0] == 1
    assert max(sizes) == MOST_AT_ONCE
    assert sum(sizes) == 21


def test_threads_share_what_waits() -> None:
    taken: set[int] = set()

    def answer(tasks: Sequence[int]) -> list[int]:
        taken.add(threading.get_ident())
        time.sleep(0.05)
        return list(tasks)

    for one in Workers(answer, threads=2).submit(range(6)):
        one.result(10)
    assert len(taken) == 2


def test_an_exception_in_a_result_s_place_is_that_task_s_alone() -> None:
    def answer(tasks: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if task % 2 else task for task in tasks]

    futures = Workers(answer, threads=1).submit(range(4))
    assert futures[2].result(10) == 2
    with pytest.raises(ValueError, match="odd"):
        futures[3].result(10)


def test_a_batch_that_fails_fails_and_the_next_one_is_answered() -> None:
    def answer(tasks: Sequence[int]) -> list[int]:
        if 1 in tasks:
            raise MemoryError("no room")
        return list(tasks)

    workers = Workers(answer, threads=1)
    with pytest.raises(MemoryError):
        workers.submit([1])[0].result(10)
    assert workers.submit([2])[0].result(10) == 2


def test_what_was_cancelled_is_not_answered() -> None:
    going, asked = threading.Event(), []

    def answer(tasks: Sequence[int]) -> list[int]:
        going.wait(10)
        asked.extend(tasks)
        return list(tasks)

    workers = Workers(answer, threads=1)
    first = workers.submit([1])
    time.sleep(0.1)
    [late] = workers.submit([2])
    assert late.cancel()
    going.set()
    first[0].result(10)
    assert workers.submit([3])[0].result(10) == 3
    assert asked == [1, 3]


def test_the_threads_end_and_what_answers_is_freed_when_nobody_holds_the_workers() -> None:
    class Model:
        def answer(self, tasks: Sequence[int]) -> list[int]:
            return list(tasks)

    model, others = Model(), set(threading.enumerate())
    workers = Workers(model.answer, threads=3)
    assert workers.submit([1])[0].result(10) == 1
    own = set(threading.enumerate()) - others
    assert len(own) == 3
    gone = weakref.ref(model)
    del workers, model
    gc.collect()
    for one in own:
        one.join(10)
    assert not any(one.is_alive() for one in own)
    assert gone() is None


def test_a_wrong_number_of_results_is_an_error_of_that_batch_alone() -> None:
    workers = Workers[int, int](lambda tasks: [1, 2] if 0 in tasks else [1], threads=1)
    with pytest.raises(ValueError, match="2 results for 1"):
        workers.submit([0])[0].result(10)
    assert workers.submit([1])[0].result(10) == 1
