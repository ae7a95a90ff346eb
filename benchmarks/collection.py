"""What a large collection costs before the first trial: seconds and memory of each step.

`python -m benchmarks.collection [IMAGES ...]` draws small JPEGs, 1,000 a class, and prints a row a
size. Each size is measured in a process of its own, with an empty cache.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (10_000, 30_000, 100_000)
PER_CLASS, SIDE = 1_000, 64
STEPS = ("catalogue", "again", "duplicates", "split", "folds", "arrays")


def main() -> None:
    """Measure, and print the table."""
    if len(sys.argv) == 3 and Path(sys.argv[1]).is_dir():
        print(json.dumps(_measure(sys.argv[1], sys.argv[2])))
        return
    print(f"| images | {' | '.join(STEPS)} | most memory |")
    for count in [int(word) for word in sys.argv[1:]] or SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            _draw(Path(scratch) / "photos", count)
            found = _in_own_process(str(Path(scratch) / "photos"), f"{scratch}/cache")
        cells = " | ".join(f"{found[step]:.1f} s" for step in STEPS)
        print(f"| {count:,} | {cells} | {found['memory']:.2f} GiB |", flush=True)


def _in_own_process(photos: str, cache: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.collection", photos, cache]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _draw(root: Path, count: int) -> None:
    """Write blurred noise: no two alike, none plain."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"class{number // PER_CLASS:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
        image = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.jpg", quality=85)


def _measure(photos: str, cache: str) -> dict[str, float]:
    os.environ["MINERALSWEEP_CACHE"] = cache
    from mineralsweep.data import arrays, duplicates
    from mineralsweep.data.dataset import divide
    from mineralsweep.data.settings import DataSettings
    from mineralsweep.data.sources import open_catalog

    asked = DataSettings(photos)
    seconds: dict[str, float] = {}

    def timed(step: str, run: Callable[[], Any]) -> Any:
        started = time.monotonic()
        found = run()
        seconds[step] = time.monotonic() - started
        return found

    timed("catalogue", lambda: open_catalog(asked))
    catalog = timed("again", lambda: open_catalog(asked))
    timed("duplicates", lambda: duplicates.groups(catalog))
    dataset = timed("split", lambda: divide(catalog, asked))
    timed("folds", lambda: dataset.folds(5))
    timed("arrays", lambda: arrays.ensure(catalog, (SIDE, SIDE)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**seconds, "memory": memory}


if __name__ == "__main__":
    main()
