"""How a sweep's best trial stands to its baseline, in plain words."""

from __future__ import annotations

from mineralsweep.engines.engine import BASELINE, TrialRecord
from mineralsweep.engines.ranking import beats


def verdict(best: TrialRecord, baseline: TrialRecord, objective: str, study: str) -> list[str]:
    """Return sentences: is the best trial better than the baseline, and if not, what to do.

    Args:
        best: the best trial, or the baseline where it was chosen itself.
        baseline: colour_texture with its defaults, on the same images.
        objective: accuracy or loss; what is compared.
        study: the study's name, for the commands.
    """
    if best.number == BASELINE:
        return ["No trial scores higher than the baseline, which was chosen."]
    ours, theirs = _value(best, objective), _value(baseline, objective)
    if beats(best, baseline, objective):
        said = [f"Trial {best.number} scores higher than the baseline: {ours} against {theirs}."]
        if _apart(best, baseline):
            return said
        return [*said, "Their intervals overlap: that it is better is not shown."]
    better = "as good" if best.value == baseline.value else "better"
    return [
        f"Careful: the baseline is {better}: {theirs} against {ours} of trial {best.number}.",
        "To serve the baseline:"
        f" mlflow models serve -m models:/{baseline.model_id} --env-manager local --port 5001",
        f"To have it registered: mineralsweep resume {study} --baseline eligible",
    ]


def _value(record: TrialRecord, objective: str) -> str:
    if objective == "accuracy":
        return f"accuracy {record.interval()}"
    return f"loss {record.loss:.3f}, accuracy {record.interval()}"


def _apart(best: TrialRecord, baseline: TrialRecord) -> bool:
    ours, theirs = best.interval(), baseline.interval()
    return ours.low > theirs.high or theirs.low > ours.high
