"""A line now and then while something takes long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Say = Callable[[str], None]
EVERY = 10.0
"""Seconds between two lines; what takes less says nothing."""


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
