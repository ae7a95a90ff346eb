"""A hyperparameter as its architecture declares it: once, with everything that others need."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
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
        default: what a trial has where nothing is said; None: left to the optimizer.
        low, high: the range of a number, both included.
        choices: the values of a name.
        log: whether ratios matter rather than differences, as for a learning rate.
    """

    name: str
    kind: Kind
    help: str
    default: Value | None = None
    low: float = 0.0
    high: float = 1.0
    choices: Collection[str] = ()
    log: bool = False

    def check(self, value: object) -> None:
        """Hold a value to the declaration.

        Raises:
            ValueError: the rule that it breaks, and the value.
        """
        if self.kind == "name":
            if value not in self.choices:
                raise ValueError(f"unknown name '{value}'{did_you_mean(str(value), self.choices)}")
            return
        if isinstance(value, str):
            raise ValueError(f"must be a number, got the text '{value}'{number_hint(value)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number, got {value!r}")
        if not self.low <= value <= self.high:
            raise ValueError(f"must be from {self.low:g} to {self.high:g}, got {value}")
        if self.kind == "int" and value != int(value):
            raise ValueError(f"must be a whole number, got {value}")

    def typed(self, value: Value) -> Value:
        """Return a value of the declaration's kind: int, float or str."""
        if self.kind == "name":
            return str(value)
        return int(value) if self.kind == "int" else float(value)


def number_hint(text: str) -> str:
    """Return how to write a number that PyYAML reads as text: 1e-5 is one, 1.0e-5 is none."""
    try:
        value = float(text)
    except ValueError:
        return ""
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"; write {float(mantissa)}e{int(exponent):+d}"
