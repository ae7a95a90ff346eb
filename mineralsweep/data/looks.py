"""What an image looks like, in few bytes: perceptual hashes of three views of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

VERSION = 1
"""Part of every cache key: raise it when the same image would give other hashes."""

VIEWS = 3
SYMMETRIES = 8
HASH_SIDE = 8
"""A hash has 8 x 8 bits, from 32 x 32 pixels."""
GREY_SIDE = 32

SMALL_SIDE = 256
"""Frames are looked for in a copy of at most so many pixels a side."""
GROUND_TOLERANCE = 24
"""Levels in [0, 255] within which a pixel belongs to the ground that the border shows."""
LINE_SHARE = 0.04
"""A row or column with fewer other pixels than this share is ground, with a speck on it."""
TEXT_SHARE = 0.06
"""A run of such rows no longer than this share of the side is a line of text."""
CENTRE_MARGIN = 0.12
"""Cut off each side of the trimmed view, for the third."""
PLAIN_DEVIATION = 2.0
"""An image whose grey levels deviate less has nothing to be compared by."""


def describe(image: Image.Image) -> str:
    """Return the hashes of an RGB image as hexadecimal text, "" for one without structure.

    A hash is imagehash's `phash`: the signs, about their median, of an image's 64 lowest cosine
    frequencies. Each view is hashed in its eight orientations, so that mirrored and turned copies
    are found by comparing one hash of the one with eight of the other.

    Returns:
        3 views x 8 orientations x 16 digits, see `parse`.
    """
    import imagehash

    digits = []
    for view in views(image):
        grey = np.asarray(
            view.convert("L").resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BILINEAR)
        )
        if grey.std() < PLAIN_DEVIATION:
            return ""
        for number in range(SYMMETRIES):
            hashed = imagehash.phash(Image.fromarray(oriented(grey, number)), HASH_SIDE)
            digits.append(np.packbits(hashed.hash).tobytes().hex())
    return "".join(digits)


def parse(looks: Sequence[str]) -> NDArray[np.uint64]:
    """Read texts of `describe`, none of them empty: uint64 (n, 3 views, 8 orientations)."""
    values = np.frombuffer(bytes.fromhex("".join(looks)), dtype=">u8")
    return values.reshape(len(looks), VIEWS, SYMMETRIES).astype(np.uint64)


def views(image: Image.Image) -> list[Image.Image]:
    """Return an RGB image whole, without the plain ground around it, and the middle of that.

    The second view is the same for a specimen with more or less ground around it; the third does
    not see what agencies write along the edges.
    """
    whole = image.copy()
    whole.thumbnail((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    left, top, right, bottom = _without_ground(np.asarray(whole, dtype=np.int16))
    trimmed = whole.crop((left, top, right, bottom))
    x, y = (round(CENTRE_MARGIN * side) for side in trimmed.size)
    return [whole, trimmed, trimmed.crop((x, y, trimmed.width - x, trimmed.height - y))]


def oriented(pixels: Pixels, number: int) -> Pixels:
    """Return (h, w, ...) pixels in one of the square's eight orientations; 0 leaves them."""
    turned = np.rot90(pixels, number // 2)
    return np.ascontiguousarray(turned[:, ::-1] if number % 2 else turned)


def _without_ground(pixels: NDArray[np.int16]) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of what differs from the border's usual colour."""
    height, width = pixels.shape[:2]
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.median(border, axis=0)
    other = np.abs(pixels - ground).max(axis=-1) > GROUND_TOLERANCE
    rows = _extent(other.mean(axis=1) > LINE_SHARE)
    columns = _extent(other.mean(axis=0) > LINE_SHARE)
    if rows[1] - rows[0] < height / 4 or columns[1] - columns[0] < width / 4:
        return 0, 0, width, height
    return columns[0], rows[0], columns[1], rows[1]


def _extent(busy: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the first long run of busy lines begins and the last one ends.

    A short run on its own is a line of text above or below the picture.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], busy, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    long = runs[runs[:, 1] - runs[:, 0] > TEXT_SHARE * len(busy)]
    return (int(long[0, 0]), int(long[-1, 1])) if len(long) else (0, len(busy))
