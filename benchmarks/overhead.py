"""What the toolkit costs around the training, measured in one run on one machine.

Absolute times depend on the machine; the ratios are what to look at. Run it with `make bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mineralsweep.config import build
from mineralsweep.data import arrays
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.decode import decode
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import open_catalog, sample
from mineralsweep.engines import ENGINES
from mineralsweep.search.state import State
from mineralsweep.search.study import Study
from mineralsweep.search.task import Task
from mineralsweep.tracking import Outbox, StudyRun, open_store, trial_run
from tests.fakes import FakeExecutor, Watcher

RESULTS = Path(__file__).parent / "results"
TRIALS, EPOCHS = 12, 10
SIZE = (180, 180)


def main() -> None:
    """Measure, print a table, and write benchmarks/results/overhead.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each measurement (median)")
    parser.add_argument("--trials", type=int, default=TRIALS, help="of the driver's measurement")
    options = parser.parse_args()
    repeats = options.repeats
    target = RESULTS.resolve() / "overhead.json"
    photos = _photographs()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ["MINERALSWEEP_CACHE"] = f"{scratch}/cache"
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        folder = photos or sample.ensure(Path(scratch) / "cache")
        measured = {
            "images": str(folder.name) if photos else "drawn sample",
            **_commands(repeats),
            **_images(folder, repeats),
            **_trials(folder, options.trials),
        }
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(measured, indent=2))
    for name, value in measured.items():
        print(f"{name:58} {value if isinstance(value, str) else f'{value:.3f}'}")
    print(f"Written: {target}")


def _photographs() -> Path | None:
    chosen = os.environ.get("MINERALSWEEP_PHOTOS", "../shared/minerals")
    return Path(chosen).resolve() if Path(chosen).is_dir() else None


def _median(repeats: int, work: Callable[[], Any]) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _commands(repeats: int) -> dict[str, float]:
    def run(*arguments: str) -> Callable[[], Any]:
        command = [sys.executable, "-c", "from mineralsweep.cli import main; main()", *arguments]
        return lambda: subprocess.run(command, capture_output=True, check=False)

    Path("bad.yaml").write_text("question: a\nspace: {architecture: modle2}\n")
    return {
        "s, mineralsweep --help": _median(repeats, run("--help")),
        "s, a sweep file refused": _median(repeats, run("sweep", "bad.yaml")),
    }


def _images(folder: Path, repeats: int) -> dict[str, float]:
    started = time.perf_counter()
    found = open_catalog(DataSettings(str(folder)))
    first_read = time.perf_counter() - started
    again = _median(repeats, lambda: open_catalog(DataSettings(str(folder))))
    contents = [image.path.read_bytes() for image in found.images]
    each_time = _median(1, lambda: [decode(content, SIZE) for content in contents])
    started = time.perf_counter()
    arrays.ensure(found, SIZE)
    built = time.perf_counter() - started
    cached = _median(repeats, lambda: arrays.load(arrays.ensure(found, SIZE))[:].sum())
    return {
        "s, catalogue, first time (every file decoded once)": first_read,
        "s, catalogue, known contents": again,
        "s, decode every image, one after the other": each_time,
        "s, decode every image into the cache": built,
        "s, read every image from the cache": cached,
        "x, cache over decoding": each_time / cached,
    }


def _trials(folder: Path, trials: int) -> dict[str, float]:
    """Time a study whose trials train nothing: what is left is the driver."""
    sweep = build(
        {
            "question": "What does the driver cost?",
            "image_size": 96,
            "space": {"architecture": "model2", "learning_rate": {"low": 1e-4, "high": 1e-2}},
            "budget": {"trials": trials, "epochs": EPOCHS},
            "engine": {"pruner": "none"},
            "baseline": "none",
        },
        "benchmark",
    )
    dataset = open_dataset(DataSettings(str(folder), "40/20/40", 0))
    dataset.arrays((96, 96))
    state, task = State("bench", "sweep", {}), Task(sweep, dataset)
    engine = ENGINES["optuna"](sweep, "bench", state.folder, None)
    run = StudyRun(open_store(), "bench", "sweep", task.divided)
    outbox = Outbox(state.folder / "outbox")
    watcher = _Clock()
    with _timed_uploads() as uploads:
        started, used = time.perf_counter(), time.process_time()
        Study(task, engine, FakeExecutor(), state, outbox, run, watcher).run()
        whole, used = time.perf_counter() - started, time.process_time() - used
    # The first trial loads matplotlib and the like; it is counted in the mean alone.
    spent = [b - a for a, b in zip(watcher.ends, watcher.ends[1:], strict=False)]
    third = len(spent) // 3
    return {
        f"s a trial, driver alone ({trials} trials x {EPOCHS} epochs)": whole / trials,
        "  CPU s a trial": used / trials,
        "  s a trial, of which the model's upload (median)": statistics.median(uploads),
        "  s a trial, first third (median)": statistics.median(spent[:third]),
        "  s a trial, second third (median)": statistics.median(spent[third : 2 * third]),
        "  s a trial, last third (median)": statistics.median(spent[2 * third :]),
    }


@contextmanager
def _timed_uploads() -> Iterator[list[float]]:
    """Collect the seconds that each logged model takes."""
    seconds: list[float] = []
    original = trial_run.ensure_model

    def log(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return original(*arguments, **named)
        finally:
            seconds.append(time.perf_counter() - started)

    trial_run.ensure_model = log
    try:
        yield seconds
    finally:
        trial_run.ensure_model = original


class _Clock(Watcher):
    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def trial_ended(self, record: Any) -> None:
        self.ends.append(time.perf_counter())


if __name__ == "__main__":
    main()
