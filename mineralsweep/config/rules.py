"""What the validators share: an error that knows its place."""

from __future__ import annotations


class Misplaced(ValueError):
    """Carries the name of the entry that broke a rule found by its parent."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
