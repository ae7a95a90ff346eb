"""File names as text that can be printed and written anywhere."""

from __future__ import annotations

import os
from pathlib import PurePath


def readable(path: PurePath) -> str:
    """Return a path as text; bytes in it that are no UTF-8 stand as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
