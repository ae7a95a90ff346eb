"""The same search on the same three Ray nodes: this package, and Ray Tune with MLflow's callback.

    python -m benchmarks.cluster_peer --data PHOTOGRAPHS --rounds 3

By turns, on one machine, an MLflow server and PostgreSQL behind; then once more each, and a node is
killed in the middle, and another one joins. Says what each took, and what MLflow holds at the end.
Needs `ray[tune]` for the peer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient

from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from tests.cluster.nodes import Cluster, cluster
from tests.server.services import BIN, mlflow_server, postgres

SIDE, NODES, LIMIT, KILL_AFTER = 96, 3, 900.0, 30.0


@dataclass(frozen=True)
class Bench:
    """Where both run."""

    folder: Path
    data: str
    nodes: Cluster
    server: str
    trials: int
    epochs: int

    def environment(self) -> dict[str, str]:
        """Return what both are started with."""
        return {
            **os.environ, "MLFLOW_TRACKING_URI": self.server, "RAY_ADDRESS": self.nodes.address,
            "MINERALSWEEP_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]),
        }  # fmt: skip

    def ours(self, name: str, kill: bool) -> dict[str, Any]:
        """Run a sweep; trials are those of its study."""
        sweep = {
            "question": "How long?", "image_size": SIDE, "data": {"source": self.data},
            "space": {"architecture": "model2_1",
                      "learning_rate": {"low": 3e-4, "high": 3e-3, "log": True}},
            "budget": {"trials": self.trials, "epochs": self.epochs, "patience": self.epochs},
            "engine": {"pruner": "none", "sampler": "random"}, "baseline": "none",
            "resources": {"cpus": 1}, "faults": {"retries": 9, "checkpoint_every": 0.1},
        }  # fmt: skip
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(sweep))
        command = [str(BIN / "mineralsweep"), "sweep", str(file), "--study", name,
                   "--executor", "ray", "--address", self.nodes.address]  # fmt: skip
        seconds, code = self._timed(command, kill)
        return {
            "seconds": seconds, "exit": code,
            **self._held("mineralsweep", f"tags.`mineralsweep.study` = '{name}' and "
                         "tags.`mineralsweep.kind` = 'trial'"),
        }  # fmt: skip

    def peer(self, name: str, kill: bool) -> dict[str, Any]:
        """Run the peer; trials are those of its experiment."""
        dataset = open_dataset(DataSettings(self.data, "40/20/40", 0))
        labels = dataset.labels()
        split = dataset.split
        task = {
            "arrays": str(dataset.arrays((SIDE, SIDE))), "train": list(split.train),
            "validation": list(split.validation), "classes": list(dataset.classes),
            "train_labels": [int(labels[row]) for row in split.train],
            "validation_labels": [int(labels[row]) for row in split.validation],
            "image_size": [SIDE, SIDE], "architecture": "model2_1", "seed": 0,
            "trials": self.trials, "epochs": self.epochs, "experiment": name,
            "storage": str(self.folder / "storage" / name),
            "space": {"learning_rate": {"low": 3e-4, "high": 3e-3}},
        }  # fmt: skip
        file, out = self.folder / f"{name}.json", self.folder / f"{name}.out"
        file.write_text(json.dumps(task))
        command = [sys.executable, "-m", "benchmarks.peers.ray_tune", str(file), str(out)]
        seconds, code = self._timed(command, kill)
        return {"seconds": seconds, "exit": code, **self._held(name, "")}

    def _timed(self, command: Sequence[str], kill: bool) -> tuple[float, int]:
        began = time.monotonic()
        with (self.folder / "log").open("a") as log:
            work = subprocess.Popen(
                command, env=self.environment(), stdout=log, stderr=log,
                cwd=self.folder if command[0].endswith("mineralsweep") else None,
            )  # fmt: skip
            if kill:
                time.sleep(KILL_AFTER)
                self.nodes.nodes.pop(0).kill()
                self.nodes.add()
            try:
                code = work.wait(LIMIT)
            except subprocess.TimeoutExpired:
                work.kill()
                code = work.wait()
        return round(time.monotonic() - began, 1), code

    def _held(self, experiment: str, wanted: str) -> dict[str, int]:
        client = MlflowClient(self.server)
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs([found.experiment_id], wanted) if found else []
        whole = [
            run for run in runs
            if run.info.status == "FINISHED" and self._epochs(client, run) == self.epochs
        ]  # fmt: skip
        return {
            "runs": len(runs),
            "finished with every epoch once": len(whole),
            "left RUNNING": sum(run.info.status == "RUNNING" for run in runs),
            "trials that are not whole": max(0, self.trials - len(whole)),
        }

    def _epochs(self, client: MlflowClient, run: Any) -> int:
        history = client.get_metric_history(run.info.run_id, "val_loss")
        values = {one.step for one in history}
        return len(history) if len(values) == len(history) else -1


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {"mineralsweep": [], "ray tune": []}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(postgres())
        server = stack.enter_context(mlflow_server(folder / "server", database.url("mlflow")))
        nodes = stack.enter_context(cluster(folder, NODES))
        data = str(Path(options.data).resolve())
        bench = Bench(folder, data, nodes, server.url, options.trials, options.epochs)
        for place in range(options.rounds + 1):
            kill = place == options.rounds
            rows["mineralsweep"].append(bench.ours(f"ours-{place}", kill))
            rows["ray tune"].append(bench.peer(f"peer-{place}", kill))
            print(json.dumps({name: of[-1] for name, of in rows.items()}), file=sys.stderr)
    print(json.dumps({
        name: {"median seconds": statistics.median(one["seconds"] for one in of[:-1]),
               "rounds": of[:-1], "a node killed": of[-1]}
        for name, of in rows.items()
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
