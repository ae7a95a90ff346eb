"""What a process does with the memory that it frees, where the allocator is glibc's."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

# The names and numbers of mallopt(3).
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
M_ARENA_MAX = -8

KEEP = {
    M_ARENA_MAX: 1,  # threads' own arenas hand every array above 32 MiB back
    M_MMAP_MAX: 0,  # no array gets pages of its own, to be handed back with it
    M_TRIM_THRESHOLD: 2**31 - 1,
    M_TOP_PAD: 2**28,
}
SHARE = {M_ARENA_MAX: 1}


def keep_memory() -> bool:
    """Let this process keep the memory that it frees, for its next arrays.

    Where Python makes the batches, TensorFlow tells glibc to hand freed memory back at once (its
    log: "Memory patch applied: M_TRIM_THRESHOLD=128 kb"), and each step asks for the same arrays
    again: the system clears every page of them anew. That took a third to a half of an epoch
    (docs/performance.md).

    To be called before TensorFlow starts its threads. The process's memory is then the most that it
    ever needed. What is computed is unchanged.

    Returns:
        Whether the allocator took it; False where it isn't glibc's.
    """
    return _told(KEEP)


def share_memory() -> bool:
    """Have the threads of this process take their memory from one place.

    By itself each thread has a place of its own, and what one frees no other takes. A server, which
    loads models in one thread and answers in others, grew with every model that it loaded.

    To be called before threads are started.

    Returns:
        Whether the allocator took it; False where it isn't glibc's.
    """
    return _told(SHARE)


def _told(options: Mapping[int, int]) -> bool:
    if os.name != "posix":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    taken = [mallopt(option, value) for option, value in options.items()]
    return all(taken)
