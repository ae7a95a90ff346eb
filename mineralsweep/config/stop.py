"""When a sweep has found enough, or spent enough, before its trials are used up."""

from __future__ import annotations

from pydantic import Field

from mineralsweep.config.entries import Strict


class Stop(Strict):
    """Rules that start no further trial; those that run go on to their end.

    Attributes:
        goal: of the objective's metric: accuracy at least, or loss at most.
        no_progress: so many trials in a row without a better one.
        cost: seconds of training, summed over the trials.
    """

    goal: float | None = Field(default=None, ge=0)
    no_progress: int | None = Field(default=None, ge=1)
    cost: float | None = Field(default=None, gt=0)
