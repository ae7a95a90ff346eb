"""Decoded images on disk, one memory-mapped file a data set and size."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import cast

import numpy as np

from mineralsweep import files
from mineralsweep.data import depth
from mineralsweep.data.catalog import Catalog, CatalogImage
from mineralsweep.data.decode import DECODER_VERSION, Pixels, decode
from mineralsweep.data.listing import readable
from mineralsweep.errors import DataError, UnusableImage


def ensure(catalog: Catalog, size: tuple[int, int]) -> Path:
    """Return the .npy file with every image of `catalog` at `size`, building it if need be.

    The file is keyed by the images' content, the size and the decoder's version. Processes
    that build it at once each write their own and rename it into place.

    Args:
        catalog: the images, in the order of the rows.
        size: (height, width) in pixels.

    Raises:
        DataError: a file was removed or changed since the catalogue was read.
    """
    height, width = size
    bits = "" if catalog.bits == depth.FULL else f"-{catalog.bits}bits"
    name = f"{catalog.digest[:32]}-{height}x{width}-v{DECODER_VERSION}{bits}.npy"
    path = files.folder() / "arrays" / name
    if not _is_whole(path, (len(catalog.images), height, width, 3)):
        files.write_atomically(path, lambda target: _build(catalog, size, target))
    return path


def load(path: Path) -> Pixels:
    """Open a file of `ensure`: uint8 (n, height, width, 3), RGB in [0, 255], read-only."""
    return cast(Pixels, np.load(path, mmap_mode="r", allow_pickle=False))


def size_of(path: Path) -> str:
    """Return the size of the images in a file of `ensure`: "180x240", height first."""
    return path.stem.split("-")[1]


def _is_whole(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        return load(path).shape == shape
    except (OSError, ValueError):
        return False


def _build(catalog: Catalog, size: tuple[int, int], target: Path) -> None:
    """Write the rows one after the other: a mapped file on a full disk would end the process."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(catalog.images), *size, 3)}
    with target.open("wb") as file, ThreadPoolExecutor(cpu_count()) as pool:
        np.lib.format.write_array_header_1_0(file, header)
        decoded = pool.map(lambda one: _decode_file(one, size, catalog.bits), catalog.images)
        for pixels in decoded:
            file.write(pixels.tobytes())


def _decode_file(image: CatalogImage, size: tuple[int, int], bits: int) -> Pixels:
    try:
        content = image.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != image.digest:
            raise UnusableImage("its content is another one now")
        return decode(content, size, bits)
    except (OSError, UnusableImage) as error:
        raise DataError(
            f"{readable(image.path)}: changed while it was read ({error}); start again"
        ) from None
