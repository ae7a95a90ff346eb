"""System metrics, measured by MLflow's own monitors and written by whoever is given."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from mlflow.environment_variables import MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

SYSTEM_METRICS_SECONDS = 2.0
PREFIX = "system/"

Write = Callable[[dict[str, float], int], None]
"""Takes metrics by name, and their step, from 0."""


class SystemMetrics:
    """Samples CPU, memory, disk, network and GPU in a thread, until `finish`.

    MLflow's monitor would write by itself, and lose what it has when the store does not answer.

    Args:
        write: is called in the thread, for each sample; after an OSError it is not called again.
        first: the step of the first sample.
    """

    def __init__(self, write: Write, first: int = 0) -> None:
        self._write = write
        self._first = first
        self._source = SystemMetricsMonitor(run_id=None)  # measures alone: it is never started
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="system metrics", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        every = MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL.get() or SYSTEM_METRICS_SECONDS
        step = self._first
        with contextlib.suppress(OSError):  # the trial itself will meet the full disk, and say so
            while not self._over.wait(every):
                self._source.collect_metrics()
                metrics = self._source.aggregate_metrics()
                self._write({PREFIX + name: float(x) for name, x in metrics.items()}, step)
                for monitor in self._source.monitors:
                    monitor.clear_metrics()
                step += 1
