"""How long until the plain script's best validation accuracy, ours and the plain script.

Where the plain script is not run to its end, since that takes hours: what its trials would reach is
known from the same search of ours without pruning, one trial at a time; each of its epochs is then
put on the plain script's own clock, measured on a few epochs of each kind.
"""

from __future__ import annotations

from typing import Any

Points = list[tuple[float, float]]
"""(seconds since the start, validation accuracy) of each epoch."""


def compare(result: dict[str, Any], plain: Points, trials: int) -> dict[str, Any]:
    """Return both times to the best accuracy that both reach.

    Args:
        result: of the workload, with the trace of ours.
        plain: the plain script's epochs: its own, or of `on_clock`.
        trials: how many that are.
    """
    ours = [(row["seconds"], row["val_accuracy"]) for row in result["ours_trace"]]
    best = max(accuracy for _, accuracy in plain)
    goal = min(best, max(accuracy for _, accuracy in ours))
    plain_time, our_time = _first(plain, goal), _first(ours, goal)
    return {
        "plain_on_clock": plain,
        "plain_best": best,
        "plain_trials_known": trials,
        "goal": goal,
        "plain_seconds_to_goal": plain_time,
        "ours_seconds_to_goal": our_time,
        "ratio_to_goal": plain_time / our_time,
    }


def tell(result: dict[str, Any]) -> str:
    """Say in lines what `compare` found."""
    missed = " (the plain script's best; not reached by ours)" * (
        result["goal"] < result["plain_best"]
    )
    trials = f"{result['plain_trials_known']} trials"
    whose = {
        "itself": f"best of the plain script's {trials}",
        "ours": f"best of our {trials}, on the plain script's clock",
        "without pruning": f"best of the plain script's first {trials}",
    }[result["reference"]]
    return (
        f"  {whose}: {result['plain_best']:.3f}{missed}\n"
        f"  time to {result['goal']:.3f}: plain {result['plain_seconds_to_goal']:.0f} s, ours"
        f" {result['ours_seconds_to_goal']:.0f} s: {result['ratio_to_goal']:.1f} x"
    )


def on_clock(overhead: float, reference: dict[str, Any], epoch_seconds: dict[int, float]) -> Points:
    """Put the epochs of a search on the plain script's clock.

    Args:
        overhead: seconds of a trial of the plain script beside its epochs.
        reference: a trace of `benchmarks.ours` without pruning.
        epoch_seconds: of the plain script, for each depth.
    """
    depths = {one["number"]: int(one["params"].get("unfrozen", 0)) for one in reference["records"]}
    clock, points, last = 0.0, [], None
    for row in sorted(reference["trace"], key=lambda row: (row["trial"], row["epoch"])):
        if row["trial"] != last:
            clock += overhead
            last = row["trial"]
        clock += epoch_seconds[depths[row["trial"]]]
        points.append((clock, row["val_accuracy"]))
    return points


def _first(points: Points, goal: float) -> float:
    return min(seconds for seconds, accuracy in points if accuracy >= goal)
