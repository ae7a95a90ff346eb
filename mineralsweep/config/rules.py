"""What the validators share: an error that knows its place, and a hint for numbers."""

from __future__ import annotations


class Misplaced(ValueError):
    """Carries the name of the entry that broke a rule found by its parent."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def number_hint(text: str) -> str:
    """PyYAML reads 1e-5 as text: only 1.0e-5 is a number to it."""
    try:
        value = float(text)
    except ValueError:
        return ""
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"; write {float(mantissa)}e{int(exponent):+d}"
