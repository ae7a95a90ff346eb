"""One hyperparameter's entry in a search space: a range, or choices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from mineralsweep.config.sections import Strict
from mineralsweep.core.hyperparameter import Value

TOLERANCE = 1e-9
"""Between a value and its step of a ladder."""


class Range(Strict):
    """Numbers from `low` to `high`, both included; `step` makes a ladder, `log` even ratios."""

    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, got low {self.low} and high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 where log is true, got {self.low}")
        if self.log and self.step is not None:
            raise ValueError("log and step can't be used together; leave one out")
        return self

    def bounds(self) -> tuple[float, ...]:
        return (self.low, self.high)

    def ladder(self) -> tuple[float, ...] | None:
        """Return every value of a stepped range in order, None without a step."""
        if self.step is None:
            return None
        steps = math.floor((self.high - self.low) / self.step + TOLERANCE)
        return tuple(self.low + i * self.step for i in range(steps + 1))

    def constant(self) -> Value | None:
        """Return the only value of a ladder of one step, None where there is a choice."""
        ladder = self.ladder()
        return ladder[0] if ladder is not None and len(ladder) == 1 else None

    def holds(self, value: Value) -> bool:
        """Say whether a value is one of its own."""
        if isinstance(value, str) or not self.low <= value <= self.high:
            return False
        ladder = self.ladder()
        return ladder is None or any(abs(value - rung) <= TOLERANCE for rung in ladder)

    def describe(self) -> str:
        """Say it in one line, the same text for the same range."""
        scale = ", log" if self.log else ""
        step = f", step {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{scale}{step}"


class Choices(Strict):
    """One of a few values; a single one is a constant."""

    choices: tuple[float | int | str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.choices)) != len(self.choices):
            raise ValueError(f"choices must differ from one another, got {list(self.choices)}")
        return self

    def bounds(self) -> tuple[Value, ...]:
        return self.choices

    def ladder(self) -> tuple[Value, ...]:
        return self.choices

    def constant(self) -> Value | None:
        """Return the only value, None where there is a choice."""
        return self.choices[0] if len(self.choices) == 1 else None

    def holds(self, value: Value) -> bool:
        """Say whether a value is one of its own."""
        return value in self.choices

    def describe(self) -> str:
        """Say it in one line, the same text for the same choices."""
        return " | ".join(str(choice) for choice in self.choices)


Entry = Range | Choices


@dataclass(frozen=True)
class Refused:
    """Stands for an entry that is no entry, so that it is told beside the others' mistakes."""

    why: str


def _read_entry(value: Any) -> Any:
    """Read the short forms: a scalar is a constant, a list is choices."""
    if isinstance(value, Refused):
        raise ValueError(value.why)
    if isinstance(value, Range | Choices):
        return value
    if isinstance(value, list):
        return Choices.model_validate({"choices": tuple(value)})
    if isinstance(value, dict):
        if isinstance(value.get("choices"), list):
            value = {**value, "choices": tuple(value["choices"])}
        return (Choices if "choices" in value else Range).model_validate(value)
    return Choices.model_validate({"choices": (value,)})


SpaceEntry = Annotated[Entry, BeforeValidator(_read_entry)]
