"""Work on many images: side by side, and with a line now and then that says how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S")
Say = Callable[[str], None]
EVERY = 10.0
"""Seconds between two lines; what takes less says nothing."""
FEW = 1_500
"""Up to so many items threads do it, and no process has to start. They hold each other up where
much of the work is Python's own: two of them were slower than one."""
BATCH = 64


def silent(line: str) -> None:
    """Say nothing."""


def told(items: Iterable[T], total: int, what: str, say: Say) -> Iterator[T]:
    """Yield the items, and say from time to time how many there were: "Reading: 1,200 of 9,000"."""
    last = time.monotonic()
    for count, item in enumerate(items):
        now = time.monotonic()
        if now - last >= EVERY:
            say(f"{what}: {count:,} of {total:,}")
            last = now
        yield item


def done(function: Callable[[S], T], items: Sequence[S], what: str, say: Say) -> Iterator[T]:
    """Yield what a function returns for each item, in order.

    Args:
        function: of a module; what it takes and returns can be pickled.
        items: to work on.
        what: is done, for `say`.
        say: is told how far it is.
    """
    if len(items) <= FEW:
        with ThreadPoolExecutor(cpu_count()) as pool:
            yield from told(pool.map(function, items), len(items), what, say)
        return
    from joblib import Parallel, delayed

    many = Parallel(cpu_count(), return_as="generator", batch_size=BATCH)
    yield from told(many(delayed(function)(item) for item in items), len(items), what, say)
