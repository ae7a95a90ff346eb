"""The results of the last benchmarks as Markdown tables, as docs/performance.md shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Print the tables of benchmarks/results."""
    sweeps, parity = RESULTS / "sweeps.json", RESULTS / "parity.json"
    if sweeps.exists():
        print("\n".join(_times(json.loads(sweeps.read_text()))))
    if parity.exists():
        print("\n".join(_accuracies(json.loads(parity.read_text()))))


def _times(found: dict[str, Any]) -> list[str]:
    lines = [
        "| workload | ours | plain script | ratio | to reach |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for result in (one for one in found.values() if "title" in one):
        goal = result.get("ratio_to_goal")
        whole = "cut short" if result.get("cut_short") else f"{result['ratio']:.1f} x"
        ratio = f"{goal:.1f} x to {result['goal']:.3f}; {whole} in all" if goal else whole
        lines.append(
            f"| {result['title']} | {_minutes(result['ours_seconds'])} |"
            f" {_minutes(result['plain_seconds'])} | {ratio} | {result['target']:g} x |"
        )
    return lines


def _accuracies(found: dict[str, Any]) -> list[str]:
    lines = ["", "| | accuracy | difference | seconds a trial |", "| --- | ---: | ---: | ---: |"]
    for name, comparison in found.items():
        lines.append(f"| *{name}* | | | |")
        for i, (variant, row) in enumerate(comparison["rows"].items()):
            change = "" if i == 0 else _interval(row["less_reference"], "+.3f")
            score = _interval(row["accuracy"], ".3f")
            lines.append(f"| {variant} | {score} | {change} | {row['seconds']:.0f} |")
    return lines


def _interval(values: list[float], form: str) -> str:
    mean, low, high = (format(value, form) for value in values)
    return f"{mean} [{low}, {high}]"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    main()
