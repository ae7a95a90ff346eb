"""The share of the machine's matrix-product rate that VGG16's trunk reaches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

SIDE, IMAGES = 3072, 32


def measure() -> dict[str, float]:
    """Time a square matrix product and the trunk, by turns; the best of several counts."""
    import keras
    import tensorflow as tf

    from mineralsweep.models import get
    from mineralsweep.training.recipe import choose, used
    from mineralsweep.training.run import count_flops

    precision = choose("auto")
    with used(precision):
        model = get("vgg16").build((180, 180, 3), 3, augmentation=0.0, weights="none")
    vgg16 = get("vgg16").trunk
    assert vgg16 is not None
    trunk = tf.function(vgg16.segment(model, None, 0))
    matrix = tf.cast(tf.random.normal((SIDE, SIDE)), precision)
    images = tf.random.uniform((IMAGES, 180, 180, 3)) * 255
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    work = IMAGES * count_flops(model.get_layer("trunk"))
    rates: dict[str, list[float]] = {"product": [], "trunk": []}
    for _ in range(5):
        rates["product"].append(2 * SIDE**3 / _seconds(product))
        rates["trunk"].append(work / _seconds(lambda: trunk(images)))
    keras.utils.clear_session()
    best = {name: max(found) for name, found in rates.items()}
    return {
        "precision": precision,  # type: ignore[dict-item]
        "product_gflops": best["product"] / 1e9,
        "trunk_gflops": best["trunk"] / 1e9,
        "images_a_second": best["trunk"] / work * IMAGES,
        "share": best["trunk"] / best["product"],
    }


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
