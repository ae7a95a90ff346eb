"""What trials cost beside what they are worth: time, and the costs that a sweep names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from mineralsweep.core import cost
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import TrialRecord
from mineralsweep.models import get as get_architecture
from mineralsweep.models.vote import BACKBONES_SEARCHED
from mineralsweep.report import charts
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.summary import scores_of


def section(evidence: Evidence) -> dict[str, Any]:
    """Return every complete trial's value over its time, and the backbones side by side."""
    objective = evidence.sweep.objective
    records = [record for record in evidence.lines if record.state == "COMPLETE"]
    best_first = sorted(records, key=lambda one: objectives.get(objective).sign * (one.value or 0))
    of_backbone: dict[str, list[TrialRecord]] = {}
    for record in best_first:
        name = backbones_of(record)
        if name:
            of_backbone.setdefault(name, []).append(record)
    words = ", ".join(
        f"{one.title()} {one.seconds:.0f} s" for one in undominated(records, objective)
    )
    figure = over_time(evidence)
    return {
        "objectives": [_objective(evidence, name) for name in evidence.sweep.costs],
        "rule": chosen_by(evidence) if evidence.sweep.costs else "",
        "figure": charts.inline(figure, "costs", f"Best for their time: {words}."),
        "folds": evidence.sweep.folds > 1,
        "objective": objective.replace("_", " "),
        "backbones": [
            {
                "name": name,
                "trials": len(ones),
                "best": ones[0],
                "scores": scores_of(ones[0], objective),
            }
            for name, ones in of_backbone.items()
        ],
    }


def over_time(evidence: Evidence) -> Figure:
    """Draw the value over the seconds of training."""
    records, objective = evidence.complete, evidence.sweep.objective
    quickest = undominated(records, objective)
    return charts.costs(records, quickest, objective, _seconds, "seconds of training")


def front(evidence: Evidence, name: str) -> Figure:
    """Draw the value over one cost, with the Pareto front of these two and the chosen trial."""
    records = [one for one in evidence.complete if name in one.measures]
    objective, best = evidence.sweep.objective, evidence.best
    kept = cost.front(records, objective, [name])
    return charts.costs(
        records,
        sorted(kept, key=lambda one: one.measures[name]),
        objective,
        lambda one: one.measures[name],
        f"{name.replace('_', ' ')} of the model",
        best if name in best.measures else None,
    )


def chosen_by(evidence: Evidence) -> str:
    """Say by which rule the champion was chosen among several objectives."""
    sweep, ahead = evidence.sweep, evidence.complete[0]
    return cost.why(evidence.best, ahead, sweep.objective, sweep.costs[0], sweep.tolerance)


def _objective(evidence: Evidence, name: str) -> Any:
    alt = ", ".join(
        f"{one.title()} {one.measures[name]:.3g}"
        for one in evidence.complete
        if name in one.measures
    )
    return charts.inline(front(evidence, name), f"front-{name}", f"{name}: {alt}.")


def _seconds(record: TrialRecord) -> float:
    return record.seconds


def backbones_of(record: TrialRecord) -> str:
    """Return the pretrained network of a trial, or both of a vote; "" without one."""
    architecture = get_architecture(str(record.params["architecture"]))
    if not architecture.searches_backbone:
        return architecture.backbone
    declared = architecture.hyperparameters
    names = [name for name in BACKBONES_SEARCHED if name in declared]
    own = [str(record.params.get(name, declared[name].default)) for name in names]
    return " and ".join(dict.fromkeys(own))


def undominated(records: Sequence[TrialRecord], objective: str) -> list[TrialRecord]:
    """Return the trials that no other beats in time and value alike, the quickest first."""
    sign, front, best = objectives.get(objective).sign, [], float("inf")
    for record in sorted(records, key=lambda one: one.seconds):
        if record.value is not None and sign * record.value < best:
            best = sign * record.value
            front.append(record)
    return front
