"""How many trials a tracking store takes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from mlflow.entities import Metric

from mineralsweep.tracking.courier import AT_ONCE
from mineralsweep.tracking.store import Store

WRITES_A_TRIAL = 20
"""Of a trial with ten epochs: its run, its epochs, its files, its model and its end."""


def writes_a_second(store: Store, seconds: float = 1.0) -> float:
    """Write to a run for a while, as many at once as a study does; the run is deleted then.

    Raises:
        MlflowException: the store takes no writes.
    """
    client, count = store.client, AT_ONCE if store.is_of_server else 1
    run_id = store.new_run("doctor", {"mineralsweep.kind": "doctor"})
    started = time.monotonic()

    def write(place: int) -> int:
        done = 0
        while time.monotonic() - started < seconds:
            metrics = [
                Metric(f"metric_{place}_{one}", done, int(time.time() * 1000), done)
                for one in range(6)
            ]
            client.log_batch(run_id, metrics)
            done += 1
        return done

    try:
        with ThreadPoolExecutor(count) as pool:
            done = sum(pool.map(write, range(count)))
        return done / (time.monotonic() - started)
    finally:
        client.delete_run(run_id)
