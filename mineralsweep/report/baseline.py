"""How a sweep's best trial stands to its baseline, in plain words."""

from __future__ import annotations

from typing import Literal

from mineralsweep.core import objective as objectives
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.evaluation import Paired
from mineralsweep.report.warnings import SIGNIFICANT

Standing = Literal["true", "not shown", "false", "is the baseline"]


def standing(
    best: TrialRecord, baseline: TrialRecord, paired: Paired | None, objective: str
) -> Standing:
    """Say whether the best trial beats the baseline: true only where it is shown.

    Args:
        best: the best trial, or the baseline where it was chosen itself.
        baseline: colour_texture with its defaults, on the same images.
        paired: the baseline as the champion, the best trial as the challenger, on the images that
            the trials were judged on; None where their answers can't be read.
        objective: accuracy or loss; what trials are compared by.
    """
    if best.number == BASELINE:
        return "is the baseline"
    if not objectives.get(objective).is_better(best.value, baseline.value):
        return "false"
    return "true" if _shown_lead(paired) > 0 else "not shown"


def verdict(
    best: TrialRecord, baseline: TrialRecord, paired: Paired | None, objective: str, study: str
) -> list[str]:
    """Return sentences: is the best trial better than the baseline, and if not, what to do.

    Args:
        best: see `standing`.
        baseline: see `standing`.
        paired: see `standing`.
        objective: see `standing`.
        study: the study's name, for the commands.
    """
    stands = standing(best, baseline, paired, objective)
    if stands == "is the baseline":
        return ["No trial scores higher than the baseline, which was chosen."]
    ours, theirs = _value(best, objective), _value(baseline, objective)
    beside = f"On the same images: {paired}." if paired else "Their answers could not be compared."
    if stands == "true":
        return [
            f"Trial {best.number} is better than the baseline: {ours} against {theirs}.",
            beside,
        ]
    if stands == "not shown":
        return [
            f"Trial {best.number} scores higher than the baseline: {ours} against {theirs}.",
            f"That it is better is not shown. {beside}",
        ]
    how = "scores as high" if best.value == baseline.value else "scores higher"
    if _shown_lead(paired) < 0:
        how = "is better"
    return [
        f"Careful: the baseline {how}: {theirs} against {ours} of trial {best.number}.",
        beside,
        "To serve the baseline:"
        f" mlflow models serve -m models:/{baseline.model_id} --env-manager local --port 5001",
        f"To have it registered: mineralsweep resume {study} --set baseline=eligible",
    ]


def _shown_lead(paired: Paired | None) -> float:
    """Return the best trial's lead in accuracy where it is shown, else 0."""
    return paired.difference if paired is not None and paired.p < SIGNIFICANT else 0.0


def _value(record: TrialRecord, objective: str) -> str:
    if objective == "accuracy":
        return f"accuracy {record.interval()}"
    return f"loss {record.loss:.3f}, accuracy {record.interval()}"
