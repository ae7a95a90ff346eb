"""The numbers of every image of a data set on disk, beside its decoded images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mineralsweep import files
from mineralsweep.data import arrays
from mineralsweep.descriptors import VERSION, Block, blocks, compute

Numbers = NDArray[np.float32]


def ensure(images: Path, threads: int = 1, chosen: str = "all") -> Numbers:
    """Return the numbers of a set for each image, computing what is missing.

    Each block is a file. They are kept by the name of the file of images, which holds the data
    set's digest, the size and the decoder's version. Of processes that want them at once one
    computes, the others wait.

    Args:
        images: a file of `data.arrays.ensure`.
        threads: compute at a time.
        chosen: one of `texture.SETS`.

    Returns:
        float32 (n, count(chosen)), in the order of the images.
    """
    asked = blocks(chosen)
    rows = len(arrays.load(images))
    with files.one_at_a_time(str(_path(images))):
        found = {block.name: _read(images, block, rows) for block in asked}
        lacking = [block for block in asked if found[block.name] is None]
        if lacking:
            found |= _compute(images, lacking, threads)
    return np.concatenate([cast(Numbers, found[block.name]) for block in asked], axis=1)


def _path(images: Path, name: str = "") -> Path:
    return files.folder() / "texture" / f"{images.stem}-t{VERSION}{name and '-' + name}.npy"


def _read(images: Path, block: Block, rows: int) -> Numbers | None:
    try:
        found = np.load(_path(images, block.name), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = found.dtype == np.float32 and found.shape == (rows, block.count)
    return cast(Numbers, found) if whole and np.isfinite(found).all() else None


def _compute(images: Path, lacking: Sequence[Block], threads: int) -> dict[str, Numbers]:
    with ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(lambda image: compute(image, lacking), arrays.load(images)))
    ends = np.cumsum([block.count for block in lacking])[:-1]
    made = np.split(np.stack(rows), ends, axis=1)
    for block, numbers in zip(lacking, made, strict=True):
        _write(_path(images, block.name), numbers)
    return {block.name: numbers for block, numbers in zip(lacking, made, strict=True)}


def _write(path: Path, numbers: Numbers) -> None:
    files.write_atomically(path, lambda target: np.save(target, numbers))
