"""The drawn sample: a folder a class of drawn minerals, for whoever has no photographs at hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from mineralsweep.data.specimens import CLASSES, photograph

VERSION = 1
"""Part of the sample's folder name: raise it when the same seed gives other pictures."""

FILE_KINDS = ("jpg", "cut-out.png", "jpg", "webp", "jpg", "palette.gif", "jpg", "jpg", "tif",
              "jpg", "bmp", "jpg", "palette.png", "jpg")  # fmt: skip
"""What picture `index` is saved as, in turn. A cut-out is transparent around the specimen."""

ODD_NAMES = {("bornite", 7): "07. bo", ("chrysocolla", 32): "32.chr"}
"""JPEGs whose extension says nothing, as photo collections have them."""


def draw(mineral: str, index: int, seed: int = 0) -> Image.Image:
    """Draw one picture; it depends on the arguments alone, not on what was drawn before.

    Args:
        mineral: one of `CLASSES`.
        index: the picture's number in its class, at least 0.
        seed: at least 0.

    Returns:
        120 to 420 pixels a side, 8 bits a channel: mode RGBA where `FILE_KINDS` has a cut-out,
        RGB elsewhere.

    Raises:
        ValueError: an unknown mineral, or a negative index or seed.
    """
    if mineral not in CLASSES:
        raise ValueError(f"mineral must be one of {', '.join(CLASSES)}, got '{mineral}'")
    rng = np.random.Generator(np.random.PCG64((seed, CLASSES.index(mineral), index)))
    return photograph(mineral, rng, cut_out=_kind(index).startswith("cut-out"))


def write(folder: Path, per_class: int = 60, seed: int = 0) -> Path:
    """Write `folder`/<class>/<file>, `per_class` pictures a class, and return `folder`.

    The same arguments give the same bytes with the same versions of NumPy and Pillow.

    Raises:
        ValueError: a negative seed.
        OSError: from the file system.
    """
    for mineral in CLASSES:
        (folder / mineral).mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            _save(draw(mineral, index, seed), folder / mineral, index)
    return folder


def ensure(cache: Path) -> Path:
    """Return the default sample's folder under `cache`, drawing it if it isn't there yet.

    Processes may do so at once: each draws its own, the first rename wins, the others use it.

    Raises:
        OSError: from the file system; nothing half-drawn is left under the folder's name.
    """
    folder = cache / f"sample-v{VERSION}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sample-", dir=cache) as scratch:
        drawn = write(Path(scratch) / folder.name)
        try:
            drawn.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def _kind(index: int) -> str:
    return FILE_KINDS[index % len(FILE_KINDS)]


def _save(picture: Image.Image, folder: Path, index: int) -> None:
    kind, _, extension = _kind(index).rpartition(".")
    path = folder / ODD_NAMES.get((folder.name, index), f"{index:02d}.{extension}")
    if extension == "jpg":
        picture.save(path, format="JPEG", quality=70 + 5 * (index % 6))
    else:
        octree = Image.Quantize.FASTOCTREE
        (picture.quantize(128, octree) if kind == "palette" else picture).save(path)
