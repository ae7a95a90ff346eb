"""Small generated pictures."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

from mineralsweep.data.catalog import Catalog
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import open_catalog

COLOURS = ((200, 60, 40), (40, 160, 60), (50, 70, 200), (180, 170, 40))

register_heif_opener()


def catalog_of(folder: Path, classes: Sequence[str] | None = None) -> Catalog:
    """Return the catalogue of a folder a class, or of a table."""
    return open_catalog(DataSettings(str(folder), classes=classes and tuple(classes)))


def encode(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """Return an image's bytes in a file format."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noisy(colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (40, 50)) -> Image.Image:
    """Return (height, width) pixels around a colour."""
    rng = np.random.default_rng(seed)
    pixels = np.array(colour) + rng.normal(0, 25, (*size, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_classes(root: Path, classes: tuple[str, ...], per_class: int, first: int = 0) -> Path:
    """Write `per_class` PNG files for each class under `root`, and return it.

    Another `first` gives other pictures.
    """
    for number, label in enumerate(classes):
        folder = root / label
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(first, first + per_class):
            picture = noisy(COLOURS[number % len(COLOURS)], 1000 * number + index)
            (folder / f"{index:03d}.png").write_bytes(encode(picture))
    return root


SRGB_PRIMARIES = (
    (0.4360747, 0.2225045, 0.0139322),
    (0.3850649, 0.7168786, 0.0971045),
    (0.1430804, 0.0606169, 0.7141733),
)
"""XYZ of sRGB's red, green and blue, adapted to the profile connection space's D50."""


def colour_profile(
    primaries: Sequence[Sequence[float]] = SRGB_PRIMARIES, gamma: float = 2.2
) -> bytes:
    """Return an ICC profile of three primaries and one exponent, or of greys without primaries."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: Sequence[float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = [(b"wtpt", xyz((0.9642, 1.0, 0.8249)))]
    for name, values in zip((b"r", b"g", b"b"), primaries, strict=False):
        tags += [(name + b"XYZ", xyz(values)), (name + b"TRC", curve)]
    if not primaries:
        tags.append((b"kTRC", curve))
    start = 128 + 4 + 12 * len(tags)
    directory, data = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        directory += name + struct.pack(">II", start + len(data), len(content))
        data += content
    space, size = b"RGB " if primaries else b"GRAY", start + len(data)
    header = struct.pack(">I", size) + b"\0\0\0\0\x02\x40\0\0" + b"mntr" + space + b"XYZ "
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return header.ljust(128, b"\0") + directory + data
