"""One sweep of this toolkit, with a trace of what was known when.

`python -m benchmarks.ours SWEEP.json OUT.json`: the sweep as a sweep file holds it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

STARTED = time.monotonic()


def main() -> None:
    """Run the sweep in a folder of its own, and write its trace."""
    source, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    from mineralsweep.app.session import Request
    from mineralsweep.app.sweep import run_sweep
    from mineralsweep.config import build
    from mineralsweep.core.record import BASELINE
    from tests.fakes import Watcher

    class Trace(Watcher):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[dict[str, Any]] = []

        def epoch_ended(self, spec: Any, report: Any, fold: int | None = None) -> None:
            if spec.number == BASELINE:
                return  # no network: it would win races that are not its own
            self.rows.append(
                {
                    "seconds": time.monotonic() - STARTED,
                    "trial": spec.number,
                    "epoch": report.epoch,
                    "val_accuracy": report.val_accuracy,
                    "val_loss": report.val_loss,
                    "epoch_seconds": report.seconds,
                }
            )

    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        trace, memory = Trace(), _Memory()
        memory.start()
        sweep = build(json.loads(source.read_text()), str(source))
        outcome = run_sweep(Request("sweep", sweep, "benchmark"), trace, lambda line: None)
        memory.stop()
        os.chdir("/")
    records = [{**record.to_dict(), "run_id": ""} for record in outcome.records]
    target.write_text(
        json.dumps(
            {
                "total_seconds": time.monotonic() - STARTED,
                "trace": trace.rows,
                "records": records,
                "peak_memory_gib": memory.peak / 2**30,
                "workers": outcome.sweep.workers,
            },
            indent=1,
        )
    )


class _Memory(threading.Thread):
    """Samples the memory of this process and its children: what would be free without them."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._ended = threading.Event()

    def run(self) -> None:
        import psutil

        own = psutil.Process()
        while not self._ended.wait(1.0):
            total = 0
            for process in [own, *own.children(recursive=True)]:
                try:
                    total += process.memory_full_info().uss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)

    def stop(self) -> None:
        self._ended.set()
        self.join()


if __name__ == "__main__":
    main()
