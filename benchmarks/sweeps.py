"""Whole sweeps, ours against the script that people write, in one run on one machine.

`python -m benchmarks.sweeps [WORKLOAD ...]` prints a table, and writes its results and the picture
docs/images/sweep-speed.png. Absolute times depend on the machine; look at the ratios. Most peers
are timed on a few trials and epochs and scaled to the whole search; the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import store_rate, to_accuracy, trunk_rate, weights
from benchmarks.picture import draw
from benchmarks.workloads import ROOT, WORKLOADS, Workload, imagenet, sweep_file

RESULTS = Path(__file__).parent / "results" / "sweeps.json"
PICTURE = ROOT / "docs" / "images" / "sweep-speed.png"
QUICK = {"data": {"source": "sample", "split": "40/20/40"}, "image_size": [96, 96],
         "budget": {"trials": 2, "epochs": 2}}  # fmt: skip


def main() -> None:
    """Time the workloads, print the table, write the results and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}; none: all")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; medians are shown")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works")
    parser.add_argument("--no-keras-tuner", action="store_true")
    parser.add_argument(
        "--reference", nargs=2, action="append", metavar=("WORKLOAD", "FILE"), default=[],
        help="a trace of `benchmarks.ours` without pruning, instead of training one; 'own': the"
        " trials and epochs that ours ran",
    )  # fmt: skip
    parser.add_argument("--timeout", type=float, help="stop ours after so many seconds")
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() and not options.quick else {}
    with tempfile.TemporaryDirectory() as scratch:
        if not options.workloads:
            found["trunk"] = trunk_rate.measure()
            found["store"] = store_rate.measure("efficientnet_lite0", 448)
        random = str(weights.write_random(Path(scratch) / "random.weights.h5"))
        for name in options.workloads or WORKLOADS:
            file = imagenet() if WORKLOADS[name].weights == "imagenet" else random
            found[name] = _time(WORKLOADS[name], file, Path(scratch), options)
            _show(WORKLOADS[name], found[name])
            if not options.quick:
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(json.dumps(found, indent=1))
    if not options.quick:
        draw({name: found[name] for name in WORKLOADS if name in found}, PICTURE)
        print(f"Written: {RESULTS} and {PICTURE}")


def _time(workload: Workload, file: str, scratch: Path, options: Any) -> dict[str, Any]:
    """Run ours and the peers by turns."""
    sweep = sweep_file(workload, file, **(QUICK if options.quick else {}))
    if options.timeout:
        sweep["budget"] = {**sweep["budget"], "timeout": options.timeout}
    ours, plain, tuner = [], [], []
    for _ in range(options.repeats):
        # An empty cache each time: the views and the decoded images are part of the cost.
        with tempfile.TemporaryDirectory(dir=scratch) as cache:
            ours.append(_run("benchmarks.ours", sweep, scratch, cache))
            task = _task(workload, sweep, cache, options.quick)
        plain.append(_run("benchmarks.peers.plain_optuna", task, scratch))
        if not options.no_keras_tuner:
            module = "benchmarks.peers.keras_tuner_hyperband"
            tuner.append(_run(module, {**task, "epochs": 4}, scratch))
    result = _compare(workload, sweep, ours, plain, tuner, task)
    if workload.whole:
        result["reference"] = "itself"
        points = [(row["seconds"], row["val_accuracy"]) for row in plain[0]["trace"]]
        result |= to_accuracy.compare(result, points, workload.sweep["budget"]["trials"])
    elif workload.to_accuracy:
        given = dict(options.reference)
        own = given.get(workload.name) == "own"
        reference = ours[0] if own else _reference(workload, sweep, scratch, given)
        result["reference"] = "ours" if own else "without pruning"
        overhead = result["plain_overhead_seconds"]
        points = to_accuracy.on_clock(overhead, reference, _epochs(plain[0]))
        result |= to_accuracy.compare(
            result, points, len({row["trial"] for row in reference["trace"]})
        )
    return result


def _reference(
    workload: Workload, sweep: dict[str, Any], scratch: Path, given: dict[str, str]
) -> Any:
    """Train the search's trials to their end, one at a time: what they reach is what counts."""
    if workload.name in given:
        return json.loads(Path(given[workload.name]).read_text())
    trials = min(workload.reference_trials, sweep["budget"]["trials"])
    budget = {**sweep["budget"], "trials": trials}
    changes = {"budget": budget, "engine": {"pruner": "none"}, "workers": 1}
    with tempfile.TemporaryDirectory(dir=scratch) as cache:
        return _run("benchmarks.ours", {**sweep, **changes}, scratch, cache)


def _run(module: str, task: dict[str, Any], scratch: Path, cache: str | None = None) -> Any:
    source, target = scratch / "task.json", scratch / "out.json"
    source.write_text(json.dumps(task))
    extra = {"MINERALSWEEP_CACHE": cache} if cache else {}
    done = subprocess.run(
        [sys.executable, "-m", module, str(source), str(target)],
        cwd=ROOT, env=_environment(extra), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{module} failed:\n{done.stderr[-3000:]}")
    return json.loads(target.read_text())


def _environment(extra: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **extra}


def _task(workload: Workload, sweep: dict[str, Any], cache: str, quick: bool) -> dict[str, Any]:
    """Return what the peers get: the decoded images, the split, the space."""
    from mineralsweep.data import arrays
    from mineralsweep.data.dataset import open_dataset
    from mineralsweep.data.settings import DataSettings
    from mineralsweep.search.task import examples

    dataset = open_dataset(DataSettings(sweep["data"]["source"], sweep["data"]["split"], 0))
    size = tuple(sweep["image_size"])
    seen = examples(dataset, size)
    pixels = Path(cache).parent / "pixels.npy"
    np.save(pixels, arrays.load(seen.arrays))
    return {
        "arrays": str(pixels), "classes": seen.classes, "image_size": size,
        "train": seen.train, "train_labels": seen.train_labels,
        "validation": seen.validation, "validation_labels": seen.validation_labels,
        "architecture": sweep["space"]["architecture"], "space": sweep["space"],
        "weights": sweep["weights"], "seed": 0, "points": workload.points,
        **_peer_budget(workload, sweep["budget"], quick),
    }  # fmt: skip


def _peer_budget(workload: Workload, whole: dict[str, int], quick: bool) -> dict[str, int]:
    if workload.whole:
        return {"trials": whole["trials"], "epochs": whole["epochs"]}
    return {"trials": workload.peer_trials, "epochs": 2 if quick else workload.peer_epochs}


def _compare(
    workload: Workload, sweep: dict[str, Any], ours: Any, plain: Any, tuner: Any, task: Any
) -> dict[str, Any]:
    budget = sweep["budget"]
    plain_seconds = statistics.median(
        one["total_seconds"] if workload.whole else _scaled(one, budget) for one in plain
    )
    scaled = f"scaled from {task['trials']} trials x {task['epochs']} epochs"
    seconds = statistics.median(one["total_seconds"] for one in ours)
    return {
        "title": workload.title,
        "target": workload.target,
        "trials": budget["trials"],
        "epochs": budget["epochs"],
        "ours_seconds": seconds,
        "ours_epochs": statistics.median(len(one["trace"]) for one in ours),
        "ours_best": max(row["val_accuracy"] for row in ours[0]["trace"]),
        "ours_trace": ours[0]["trace"],
        "records": ours[0]["records"],
        "cut_short": len(ours[0]["records"]) < budget["trials"],
        "workers": ours[0]["workers"],
        "peak_memory_gib": max(one["peak_memory_gib"] for one in ours),
        "plain_seconds": plain_seconds,
        "plain_epoch_seconds": statistics.median(_epochs(plain[0]).values()),
        "plain_overhead_seconds": _overhead(plain[0]),
        "plain_measured": "run to its end" if workload.whole else scaled,
        "plain_trace": plain[0]["trace"],
        "tuner_epoch_seconds": statistics.median(
            row["epoch_seconds"] for one in tuner for row in one["trace"]
        )
        if tuner
        else None,
        "ratio": plain_seconds / seconds,
    }


def _epochs(peer: Any) -> dict[int, float]:
    """Return the median seconds of an epoch for each depth, the first of a trial left out."""
    by_depth: dict[int, list[float]] = {}
    for row in peer["trace"]:
        if row["epoch"] > 1:
            by_depth.setdefault(int(row["unfrozen"]), []).append(row["epoch_seconds"])
    return {depth: statistics.median(values) for depth, values in by_depth.items()}


def _overhead(peer: Any) -> float:
    """Return the seconds of a trial that are not its epochs, compiling the first step included."""
    spent = [0.0] * len(peer["trial_seconds"])
    epochs = _epochs(peer)
    for row in peer["trace"]:
        spent[row["trial"]] += epochs[int(row["unfrozen"])]
    return float(np.median(np.subtract(peer["trial_seconds"], spent)))


def _scaled(peer: Any, budget: dict[str, int]) -> float:
    """Return the seconds of the whole search; depths are taken to be tried equally often."""
    epoch = statistics.fmean(_epochs(peer).values())
    trial = budget["epochs"] * epoch + _overhead(peer)
    return float(peer["start_seconds"] + budget["trials"] * trial)


def _show(workload: Workload, result: dict[str, Any]) -> None:
    print(
        f"{workload.title}\n"
        f"  ours   {result['ours_seconds']:8.0f} s  ({result['ours_epochs']:.0f} epochs,"
        f" {result['workers']} workers, peak {result['peak_memory_gib']:.1f} GiB,"
        f" best val_accuracy {result['ours_best']:.3f})\n"
        f"  plain  {result['plain_seconds']:8.0f} s  ({result['plain_epoch_seconds']:.1f} s an"
        f" epoch, {result['plain_overhead_seconds']:.1f} s a trial beside;"
        f" {result['plain_measured']})\n"
        f"  plain / ours, whole search: {result['ratio']:.1f} x"
        + " (ours was cut short: no fair figure)"
        * result["cut_short"],
        flush=True,
    )
    if workload.to_accuracy:
        print(to_accuracy.tell(result), flush=True)
    print(f"  to reach: {workload.target:g} x", flush=True)


if __name__ == "__main__":
    main()
