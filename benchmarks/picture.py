"""Best validation accuracy over wall time, ours and the plain script's, a panel a workload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

OURS, PLAIN = "#0072B2", "#D55E00"  # told apart by the colour-blind, and by their dashes
MINUTE = 60


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the picture; the plain script's clock is its measured one, scaled."""
    figure = Figure(figsize=(10, 3.2 * -(-len(results) // 2)), layout="constrained")
    axes = figure.subplots(-(-len(results) // 2), 2, squeeze=False).flat
    for axis, result in zip(axes, results.values(), strict=False):
        ours = _best_so_far([(row["seconds"], row["val_accuracy"]) for row in result["ours_trace"]])
        axis.step(*ours, where="post", color=OURS, label="mineralsweep")
        plain = result.get("plain_on_clock")
        if plain:
            axis.step(*_best_so_far(plain), where="post", color=PLAIN, linestyle="--",
                      label="plain script")  # fmt: skip
        axis.axvline(result["ours_seconds"] / MINUTE, color=OURS, linewidth=0.8, alpha=0.5)
        axis.axvline(result["plain_seconds"] / MINUTE, color=PLAIN, linewidth=0.8, linestyle="--")
        axis.set_xscale("log")
        axis.set_title(result["title"], fontsize=9)
        axis.set_xlabel("minutes (thin lines: the end)")
        axis.set_ylabel("best validation accuracy")
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right", fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)


def _best_so_far(points: list[Any]) -> tuple[list[float], list[float]]:
    times, best, reached = [], [], 0.0
    for seconds, accuracy in sorted(points):
        reached = max(reached, accuracy)
        times.append(seconds / MINUTE)
        best.append(reached)
    return times, best
