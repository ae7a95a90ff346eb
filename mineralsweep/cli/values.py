"""Flags' texts -> values. "auto" (MLproject's default) is the same as leaving the flag out."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError

AUTO = "auto"


def text(value: str) -> str | None:
    """Return the text, None for "auto"."""
    return None if value == AUTO else value


def whole(value: str) -> int | None:
    """Return a whole number, None for "auto"."""
    if value == AUTO:
        return None
    try:
        return int(value)
    except ValueError:
        raise ArgumentTypeError(f"must be a whole number, got '{value}'") from None


def number(value: str) -> float | None:
    """Return a finite number, None for "auto"."""
    if value == AUTO:
        return None
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ArgumentTypeError(f"must be a number, got '{value}'")
    return found


def image_size(value: str) -> list[int] | None:
    """Return [height, width] from "180" or "400x321", None for "auto"."""
    if value == AUTO:
        return None
    try:
        sides = [int(side) for side in value.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise ArgumentTypeError(f"must be pixels such as 180 or 400x321, got '{value}'")
    return sides * 2 if len(sides) == 1 else sides
