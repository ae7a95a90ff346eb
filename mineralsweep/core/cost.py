"""What a model costs where it is used: further objectives of a sweep, and who is chosen by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mineralsweep.core import objective as objectives
from mineralsweep.core.record import TrialRecord, champion


@dataclass(frozen=True)
class Cost:
    """A number that is better the smaller it is, and says nothing of how good a model is.

    Attributes:
        name: as sweep files and MLflow have it.
        unit: of its values.
        help: one line.
    """

    name: str
    unit: str
    help: str


COSTS = {
    one.name: one
    for one in (
        Cost("latency_ms", "ms", "milliseconds an image, one at a time, compiled as it is served"),
        Cost("size_mb", "MB", "size of the compiled model's files, in 1,000,000 bytes"),
    )
}


def front(
    records: Sequence[TrialRecord], objective: str, costs: Sequence[str]
) -> list[TrialRecord]:
    """Return the Pareto front: complete trials that no other equals in all and beats in one.

    Returns:
        Best by the objective first.
    """
    sign = objectives.get(objective).sign
    points = {
        record.number: (sign * (record.value or 0.0), *(record.measures[name] for name in costs))
        for record in records
        if record.state == "COMPLETE" and all(name in record.measures for name in costs)
    }

    def is_beaten(own: tuple[float, ...]) -> bool:
        return any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True))
            for other in points.values()
        )

    kept = [one for one in records if one.number in points and not is_beaten(points[one.number])]
    return sorted(kept, key=lambda one: points[one.number])


def chosen(
    records: Sequence[TrialRecord], objective: str, costs: Sequence[str], tolerance: float
) -> TrialRecord | None:
    """Return the trial that is to be tested, by validation alone; None if none is complete.

    Without costs it is the best one. With costs it is, of the trials on the Pareto front whose
    objective is worse than the best one's by `tolerance` at most, that with the lowest first cost.
    """
    best = champion(records, objective)
    if best is None or not costs:
        return best
    near = [
        one
        for one in front(records, objective, costs)
        if abs((one.value or 0.0) - (best.value or 0.0)) <= tolerance + 1e-12
    ]
    return min(near, key=lambda one: one.measures[costs[0]], default=best)


def why(record: TrialRecord, best: TrialRecord, objective: str, cost: str, tolerance: float) -> str:
    """Say by which rule a trial was chosen, with the numbers."""
    word = objective.replace("_", " ")
    if record.number == best.number:
        return (
            f"{record.title()} has the best {word}, and no trial within {tolerance:g} of it"
            f" has a lower {cost}"
        )
    return (
        f"{record.title()}: {word} {record.value:.3f} lies within {tolerance:g} of the best"
        f" ({best.value:.3f}, {best.title()}), with the lowest {cost} of these:"
        f" {record.measures[cost]:.3g} against {best.measures.get(cost, float('nan')):.3g}"
    )
