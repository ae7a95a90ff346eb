"""What a worker makes of an error."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys

import pytest

from mineralsweep.executors.worker import _fault


class ResourceExhaustedError(Exception):
    """As TensorFlow names its own."""


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ValueError("x"), "error"),
        (FileNotFoundError(errno.ENOENT, "gone"), "error"),
        (MemoryError(), "memory"),
        (ResourceExhaustedError("OOM when allocating"), "memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError(errno.EROFS, "Read-only file system"), "disk"),
        (OSError("write failed (error message = 'No space left on device')"), "disk"),
    ],
)
def test_the_fault_is_told_from_the_error(error: Exception, fault: str) -> None:
    assert _fault(error) == fault


HELD_AFTER_USE = """
import sys, threading
import numpy as np
import psutil
from mineralsweep.allocator import keep_memory

if sys.argv[1] == "keep":
    assert keep_memory()
before = psutil.Process().memory_info().rss
thread = threading.Thread(target=lambda: np.ones(2**26, np.uint8).sum())
thread.start()
thread.join()
print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator isn't glibc's")
def test_a_worker_keeps_the_memory_of_freed_arrays() -> None:
    def held(how: str) -> int:
        command = [sys.executable, "-c", HELD_AFTER_USE, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert held("plain") < 2**25 < held("keep")
