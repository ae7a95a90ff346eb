"""KerasTuner's Hyperband against Optuna's, over one sweep file, one after the other in one run.

`python -m benchmarks.engines [--data FOLDER] [--epochs 9]` prints the table of docs/engines.md.
Both draw the same number of settings: as many as one pass of KerasTuner's Hyperband draws.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.workloads import ROOT

RESULTS = Path(__file__).parent / "results" / "engines.json"


def main() -> None:
    """Run both sweeps, print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "minerals"))
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--size", type=int, default=96, help="of the images, in pixels")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    keras_tuner = _run(given, {"name": "keras-tuner", "sampler": "hyperband"}, trials=1000)
    settings = _settings(keras_tuner["records"])
    optuna = _run(given, {"sampler": "random", "pruner": "hyperband"}, trials=settings)
    found = {"KerasTuner's Hyperband": keras_tuner, "Optuna's Hyperband": optuna}
    print(table(found))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({name: summary(one) for name, one in found.items()}, indent=1))


def summary(run: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one run: see the columns of `table`."""
    complete = [one for one in run["records"] if one["state"] == "COMPLETE"]
    best = max(complete, key=lambda one: (one["value"], -one["number"]))
    return {
        "minutes": run["total_seconds"] / 60,
        "settings": _settings(run["records"]),
        "trials": len(run["records"]),
        "epochs": len(run["trace"]),
        "best": best["value"],
        "n": best["n"],
        "until_best": _seconds_until(run, best["number"]) / 60,
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown table of several runs."""
    lines = [
        "| | settings | trials | epochs | best validation accuracy | wall time | best after |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, run in found.items():
        one = summary(run)
        lines.append(
            f"| {name} | {one['settings']} | {one['trials']} | {one['epochs']} |"
            f" {one['best']:.3f} (n = {one['n']}) | {one['minutes']:.1f} min |"
            f" {one['until_best']:.1f} min |"
        )
    return "\n".join(lines)


def _run(given: argparse.Namespace, engine: dict[str, Any], trials: int) -> dict[str, Any]:
    sweep = {
        "question": "Which Hyperband finds more in less?",
        "data": {"source": str(Path(given.data).resolve()), "split": "40/20/40"},
        "image_size": [given.size, given.size],
        "space": {
            "architecture": "model2_1",
            "learning_rate": {"low": 1e-4, "high": 3e-3, "log": True},
            "dropout": {"low": 0.2, "high": 0.6},
            "augmentation": {"low": 0.0, "high": 1.0},
        },
        "budget": {"trials": trials, "epochs": given.epochs},
        "engine": engine,
        "warm_start": [],
        "workers": given.workers,
        "seed": 0,
    }
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "sweep.json", Path(scratch) / "trace.json"
        source.write_text(json.dumps(sweep))
        command = [sys.executable, "-m", "benchmarks.ours", str(source), str(target)]
        subprocess.run(command, check=True, cwd=ROOT)
        found: dict[str, Any] = json.loads(target.read_text())
    return found


def _settings(records: list[dict[str, Any]]) -> int:
    return len({json.dumps(one["params"], sort_keys=True) for one in records})


def _seconds_until(run: dict[str, Any], number: int) -> float:
    return float(max(row["seconds"] for row in run["trace"] if row["trial"] == number))


if __name__ == "__main__":
    main()
