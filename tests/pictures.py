"""Small generated pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

COLOURS = ((200, 60, 40), (40, 160, 60), (50, 70, 200), (180, 170, 40))

register_heif_opener()


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
