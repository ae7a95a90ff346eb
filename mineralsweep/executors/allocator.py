"""How a worker's memory allocator treats the large arrays of a training step.

Where Python makes the batches, TensorFlow tells glibc to hand freed memory back at once (its log:
"Memory patch applied: M_TRIM_THRESHOLD=128 kb"), and each step asks for the same arrays again: the
system clears every page of them anew. That took a third to a half of an epoch
(docs/performance.md). A worker keeps them instead.
"""

from __future__ import annotations

import ctypes

# The names and numbers of mallopt(3).
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
M_ARENA_MAX = -8

OPTIONS = {
    M_ARENA_MAX: 1,  # threads' own arenas hand every array above 32 MiB back
    M_MMAP_MAX: 0,  # no array gets pages of its own, to be handed back with it
    M_TRIM_THRESHOLD: 2**31 - 1,
    M_TOP_PAD: 2**28,
}


def keep_memory() -> bool:
    """Let this process keep the memory that it frees, for its next arrays.

    To be called before TensorFlow starts its threads. The process's memory is then the most that it
    ever needed. What is computed is unchanged.

    Returns:
        Whether the allocator took it; False where it isn't glibc's.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    taken = [mallopt(option, value) for option, value in OPTIONS.items()]
    return all(taken)
