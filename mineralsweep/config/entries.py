"""One hyperparameter's entry in a search space: a range, or choices."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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
        steps = math.floor((self.high - self.low) / self.step + 1e-9)
        return tuple(self.low + i * self.step for i in range(steps + 1))


class Choices(Strict):
    """One of a few values; a single one is a constant."""

    choices: tuple[float | int | str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.choices)) != len(self.choices):
            raise ValueError(f"choices must differ from one another, got {list(self.choices)}")
        return self

    def bounds(self) -> tuple[float | int | str, ...]:
        return self.choices

    def ladder(self) -> tuple[float | int | str, ...]:
        return self.choices


Entry = Range | Choices


def read_entry(value: Any) -> Any:
    """Read the short forms: a scalar is a constant, a list is choices."""
    if isinstance(value, Range | Choices):
        return value
    if isinstance(value, list):
        return Choices.model_validate({"choices": tuple(value)})
    if isinstance(value, dict):
        if isinstance(value.get("choices"), list):
            value = {**value, "choices": tuple(value["choices"])}
        return (Choices if "choices" in value else Range).model_validate(value)
    return Choices.model_validate({"choices": (value,)})


SpaceEntry = Annotated[Entry, BeforeValidator(read_entry)]
