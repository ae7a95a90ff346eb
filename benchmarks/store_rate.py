"""How much of a backbone's plain rate is left when its activations are kept in the store.

    python -m benchmarks.store_rate --backbone efficientnet_lite0 --size 448

By turns: the network alone over images in memory, and passes into an empty store, with reading,
pooling, writing and checking: one over few images and one over four times as many, so that what a
pass costs once (tracing) falls out of their difference. The best of each counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

IMAGES, ROUNDS = 256, 3


def measure(
    backbone: str, size: int, images: int = IMAGES, rounds: int = ROUNDS
) -> dict[str, object]:
    """Return images a second of both, and the share; one view, the middle stages."""
    import tensorflow as tf

    from mineralsweep.activations import stages
    from mineralsweep.activations.stages import BATCH, StagesWanted
    from mineralsweep.models import backbones
    from mineralsweep.training.probe import pixels_to_stages
    from mineralsweep.training.recipe import choose, used

    row, precision = backbones.get(backbone), choose("auto")
    with used(precision):
        network = pixels_to_stages(row, row.trunk((size, size, 3), "trunk"), row.middle)
    plain = tf.function(network, reduce_retracing=True)
    pixels = np.random.default_rng(0).integers(0, 256, (images, size, size, 3)).astype(np.uint8)
    rates: dict[str, list[float]] = {"plain": [], "kept": []}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / f"pixels-{size}x{size}.npy"  # as `arrays.ensure` names it
        np.save(file, pixels)

        def kept(count: int, folder: str) -> float:
            wanted = StagesWanted(
                row.middle, "random", file, tuple(range(count)), "none",
                precision,
            )  # fmt: skip
            with mock.patch.dict("os.environ", MINERALSWEEP_CACHE=f"{scratch}/{folder}"):
                return _seconds(lambda: stages.ensure(network, wanted, lambda words: None))

        def alone() -> None:
            for first in range(0, images, BATCH):
                plain(tf.constant(pixels[first : first + BATCH], tf.float32))

        few = images // 4
        for turn in range(rounds):
            rates["plain"].append(images / _seconds(alone))
            difference = kept(images, f"many{turn}") - kept(few, f"few{turn}")
            rates["kept"].append((images - few) / difference)
    best = {name: max(found) for name, found in rates.items()}
    return {
        "backbone": backbone,
        "size": size,
        "precision": precision,
        "plain_images_a_second": round(best["plain"], 1),
        "kept_images_a_second": round(best["kept"], 1),
        "share": round(best["kept"] / best["plain"], 3),
    }


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=448)
    options = parser.parse_args()
    print(json.dumps(measure(options.backbone, options.size), indent=1))
