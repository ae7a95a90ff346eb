"""The numbers of every image of a data set on disk, beside its decoded images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data import arrays, cache
from mineralsweep.texture.features import VERSION, count, features


def ensure(images: Path, threads: int = 1) -> NDArray[np.float32]:
    """Return all numbers of each image, float32 (n, 1032), computing them if need be.

    They are kept by the name of the file of images, which holds the data set's digest, the size
    and the decoder's version. Of processes that want them at once one computes, the others wait.

    Args:
        images: a file of `data.arrays.ensure`.
        threads: compute at a time.
    """
    path = cache.folder() / "texture" / f"{images.stem}-t{VERSION}.npy"
    rows = len(arrays.load(images))
    with cache.one_at_a_time(str(path)):
        found = _read(path, rows)
        if found is None:
            found = _compute(images, threads)
            computed = found
            cache.write_atomically(path, lambda target: np.save(target, computed))
    return found


def _read(path: Path, rows: int) -> NDArray[np.float32] | None:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = found.dtype == np.float32 and found.shape == (rows, count())
    return cast(NDArray[np.float32], found) if whole and np.isfinite(found).all() else None


def _compute(images: Path, threads: int) -> NDArray[np.float32]:
    pixels = arrays.load(images)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(features, np.array_split(pixels, max(1, len(pixels))))))
