"""What the sections of a sweep file share: strictness, and an error that knows its place."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Frozen; no unknown keys, and no text for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Misplaced(ValueError):
    """Carries the name of the entry that broke a rule found by its parent."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def as_tuple(value: Any) -> Any:
    """Return YAML's list as a tuple, and anything else as it is."""
    return tuple(value) if isinstance(value, list) else value
