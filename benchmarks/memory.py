"""An epoch with and without the memory that a worker keeps, in turns, each in a process of its own.

`python -m benchmarks.memory [--data FOLDER] [--rounds 2]` prints the table of docs/performance.md.
The loss of the last epoch must be the same to the bit: only the time may differ.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.workloads import ROOT

NETWORKS = {"model2_1": 180, "compact": 96}
"""And the side of their images, in pixels."""
EPOCHS = 5


def main() -> None:
    """Measure, check that the losses agree, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "minerals"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "HOW"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(_one(given.data, *given.one)))
        return
    print("| | an epoch, handed back | an epoch, kept | ratio | most memory |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for network, side in NETWORKS.items():
        found: dict[str, list[dict[str, Any]]] = {"handed back": [], "kept": []}
        for _ in range(given.rounds):
            for how, runs in found.items():
                runs.append(_in_a_process(given.data, network, how))
        plain, kept = found.values()
        assert len({run["loss"] for run in plain + kept}) == 1
        before, after = (_median(runs, "epoch") for runs in (plain, kept))
        memory = " to ".join(f"{_median(runs, 'memory'):.2f}" for runs in (plain, kept))
        print(
            f"| {network}, {side} x {side} | {before:.2f} s | {after:.2f} s |"
            f" {before / after:.2f} x | {memory} GiB |",
            flush=True,
        )


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))


def _in_a_process(data: str, network: str, how: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.memory", "--data", data, "--one", network, how]
    ended = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _one(data: str, network: str, how: str) -> dict[str, Any]:
    from mineralsweep.allocator import keep_memory

    if how == "kept" and not keep_memory():
        raise SystemExit("the allocator isn't glibc's: there is nothing to compare")
    import tensorflow as tf

    from mineralsweep.data.dataset import open_dataset
    from mineralsweep.data.settings import DataSettings
    from mineralsweep.search.specify import Conditions, specify
    from mineralsweep.search.task import examples
    from mineralsweep.training.run import run_trial

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    dataset, size = open_dataset(DataSettings(data, "40/20/40", 0)), (NETWORKS[network],) * 2
    seconds = []
    with tempfile.TemporaryDirectory() as scratch:
        spec = specify(
            {"architecture": network}, Conditions(EPOCHS), examples(dataset, size), size,
            Path(scratch) / "model",
        )  # fmt: skip
        result = run_trial(spec, lambda report: seconds.append(report.seconds))
    return {
        "epoch": statistics.median(seconds[1:]),  # the first one compiles
        "loss": result.history[-1].val_loss,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


if __name__ == "__main__":
    main()
