"""Flags' texts -> values."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

from mineralsweep.core.hyperparameter import Kind, Value


def whole(text: str) -> int:
    """Return a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a whole number, got '{text}'") from None


def number(text: str) -> float:
    """Return a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArgumentTypeError(f"must be a number, got '{text}'")
    return value


OF_KIND: dict[Kind, Callable[[str], Value]] = {"float": number, "int": whole, "name": str}
