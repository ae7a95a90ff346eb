"""What a worker makes of an error."""

from __future__ import annotations

import errno

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
