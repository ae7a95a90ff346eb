"""What a trained model costs to use: measured on the model as it would be served."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mineralsweep.core.trial import Examples
from mineralsweep.data import arrays
from mineralsweep.export.onnx import compile_folder
from mineralsweep.serving import network

WARM_UP, TIMED = 3, 20
"""Answers before the clock counts, and those of which the fastest counts: others train beside."""
MB = 1_000_000


def measure(folder: Path, examples: Examples) -> Mapping[str, float]:
    """Compile a copy of a trained model and measure it on images that it was validated on.

    A model that can't be compiled is measured as it was trained: that is how it is served.

    Args:
        folder: the trained model's.
        examples: of its training; at most 20 images are read.

    Returns:
        Every cost of `core.cost.COSTS` by name. Decoding a photograph is no part of `latency_ms`.
    """
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        served = Path(scratch) / "served"
        shutil.copytree(folder, served)
        try:
            compile_folder(served)
        except (OSError, MemoryError, ImportError):
            raise
        except Exception as error:  # layers that ONNX has not
            logging.getLogger(__name__).info("measured as it was trained: %s", error)
            shutil.rmtree(served)
            shutil.copytree(folder, served)
        size = sum(file.stat().st_size for file in served.rglob("*") if file.is_file())
        return {"latency_ms": _latency(served, examples), "size_mb": size / MB}


def _latency(folder: Path, examples: Examples) -> float:
    """Return the fewest milliseconds that an image took."""
    model, pixels = network.load(folder), arrays.load(examples.arrays)
    taken = []
    for at in range(WARM_UP + TIMED):
        row = examples.validation[at % len(examples.validation)]
        image = np.ascontiguousarray(pixels[row][None])
        started = time.perf_counter()
        model.predict(image)
        taken.append(time.perf_counter() - started)
    return min(taken[WARM_UP:]) * 1000
