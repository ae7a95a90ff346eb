"""A hyperparameter as its architecture declares it: once, with everything that others need."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from mineralsweep.errors import did_you_mean

Value = float | int | str
Params = dict[str, Value]
Kind = Literal["float", "int", "name"]


@dataclass(frozen=True)
class Hyperparameter:
    """One setting of an architecture.

    Sweep files are checked against it, the engines' distributions, the flags and the tables of
    the documentation are made from it, and the report warns where the best value lies at its end.

    Attributes:
        name: as sweep files have it.
        kind: "float", "int", or "name" for one of `choices`.
        help: one line.
        default: what a trial has where nothing is said; None: left to the builder or the optimizer.
        low, high: the range of a number, both included; infinite: any number.
        choices: the values of a name; empty: any name.
        log: whether ratios matter rather than differences, as for a learning rate.
        depends_on: another hyperparameter, whose value decides which names there are.
    """

    name: str
    kind: Kind
    help: str = ""
    default: Value | None = None
    low: float = -math.inf
    high: float = math.inf
    choices: Collection[str] = ()
    log: bool = False
    depends_on: str = ""

    def with_default(self, default: Value | None) -> Hyperparameter:
        """Return the same hyperparameter with an architecture's own default."""
        return replace(self, default=default)

    def check(self, value: object) -> None:
        """Hold a value to the declaration.

        Raises:
            ValueError: the rule that it breaks, and the value.
        """
        if self.kind == "name":
            if self.choices and value not in self.choices:
                raise ValueError(f"unknown name '{value}'{did_you_mean(str(value), self.choices)}")
            return
        if isinstance(value, str):
            raise ValueError(f"must be a number, got the text '{value}'{number_hint(value)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number, got {value!r}")
        if not (self.low <= value <= self.high and math.isfinite(value)):
            raise ValueError(f"must be {self._bounds()}, got {value}")
        if self.kind == "int" and value != int(value):
            raise ValueError(f"must be a whole number, got {value}")

    def typed(self, value: Value) -> Value:
        """Return a value of the declaration's kind: int, float or str."""
        if self.kind == "name":
            return str(value)
        return int(value) if self.kind == "int" else float(value)

    def values(self) -> str:
        """Say in a few words which values it takes."""
        if self.kind == "name":
            return ", ".join(self.choices) or "any name"
        return self._bounds().removeprefix("from ") + (", whole" if self.kind == "int" else "")

    def _bounds(self) -> str:
        if math.isinf(self.low) and math.isinf(self.high):
            return "a finite number"
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        if math.isinf(self.low):
            return f"at most {self.high:g}"
        return f"from {self.low:g} to {self.high:g}"


def number_hint(text: str) -> str:
    """Return how to write a number that PyYAML reads as text: 1e-5 is one, 1.0e-5 is none."""
    try:
        value = float(text)
    except ValueError:
        return ""
    if not math.isfinite(value):
        return ""
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"; write {float(mantissa)}e{int(exponent):+d}"
