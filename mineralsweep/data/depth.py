"""Images with more than 8 bits a sample: the range that they use, and their 8 bits of it.

A microscope's 12 bits lie in a file of 16: scaled by the file's range they are nearly black. The
range of a collection is the smallest of RANGES that holds nearly all samples of each of its images.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

from mineralsweep.errors import UnusableImage

RANGES = (8, 10, 12, 14, 16)
"""Bits a sample that cameras and microscopes have."""
FULL = 16
HOT = 1e-4
"""The share of an image's samples that may lie beyond its range: a sensor has hot pixels."""
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
MAX_SAMPLE_VALUE = 281
"""TIFF's tag for the largest value that a sample can have."""
NATIVE = "L" if sys.byteorder == "little" else "B"
SWAPPED = {"L": "B", "B": "L", "N": "B" if NATIVE == "L" else "L"}


def is_deep(image: Image.Image) -> bool:
    """Say whether an image that is opened, and not loaded, has 16 bits a sample.

    Raises:
        UnusableImage: it is grey and transparent: Pillow has no way to its lower bytes.
    """
    if image.mode.startswith("I"):
        return True
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    raw = [_raw_mode(tile) for tile in tiles]
    if any(one.startswith("LA;16") for one in raw):
        raise UnusableImage("16-bit grey with transparency: save it without transparency")
    return any(";16" in one for one in raw)


def stated(image: Image.Image) -> int:
    """Return the largest value that a file says its samples can have; 0 where it says nothing."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 0
    told = image.tag_v2.get(MAX_SAMPLE_VALUE, 0)
    values = told if isinstance(told, tuple) else (told,)
    most = max((int(value) for value in values), default=0)
    return most if 0 < most < 2**FULL - 1 else 0


def bits_used(image: Image.Image) -> int:
    """Return which of RANGES holds the samples of a deep image that is loaded.

    Of an image in colours Pillow has the upper 8 bits.

    Raises:
        UnusableImage: samples are below 0, or above 16 bits.
    """
    if image.mode.startswith("I"):
        samples = np.asarray(image)
        if samples.min() < 0 or samples.max() >= 2**FULL:
            raise UnusableImage("numbers below 0 or above 65,535: save it with 8 or 16 bits")
        ordered = np.sort(samples, axis=None)
        highest = int(ordered[-1 - int(HOT * ordered.size)])
        needed = highest.bit_length()
    else:
        counts = np.array(image.convert("RGB").histogram()).reshape(3, 256)
        beyond = counts[:, ::-1].cumsum(axis=1)[:, ::-1]  # samples of a level, or higher
        highest = int((beyond > HOT * counts.sum(axis=1, keepdims=True)).nonzero()[1].max())
        needed = 8 + highest.bit_length() if highest else 8
    return next(bits for bits in RANGES if needed <= bits)


def to_8_bits(image: Image.Image, content: bytes, largest: int) -> Image.Image:
    """Return a deep image with 8 bits a sample, mode L or RGB or RGBA.

    Args:
        image: loaded.
        content: of its file: the lower bits are read from it.
        largest: the value that becomes 255; larger ones do so, too.
    """
    if image.mode.startswith("I"):
        scaled = Image.fromarray(_scaled(np.asarray(image), largest))
        if _white_is_zero(image):
            scaled = ImageOps.invert(scaled)
    elif largest == 2**FULL - 1:
        return image
    else:
        scaled = Image.merge(
            image.mode,
            [
                _joined(high, low, largest)
                for high, low in zip(image.split(), _lower(content).split(), strict=True)
            ],
        )
        if image.mode == "RGBA":
            scaled.putalpha(image.getchannel("A"))
    scaled.info = dict(image.info)
    return scaled


def _white_is_zero(image: Image.Image) -> bool:
    """Say whether a TIFF's 0 is white; Pillow turns it round for 8 bits a sample alone."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    return tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _joined(high: Image.Image, low: Image.Image, largest: int) -> Image.Image:
    whole = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    return Image.fromarray(_scaled(whole, largest))


def _scaled(samples: NDArray[Any], largest: int) -> NDArray[np.uint8]:
    levels = np.rint(samples.astype(np.float32) * (255.0 / largest))
    return np.asarray(np.minimum(levels, 255.0), np.uint8)


def _lower(content: bytes) -> Image.Image:
    """Return the lower 8 bits of each sample: the file read with its bytes in the other order."""
    image = Image.open(io.BytesIO(content))
    assert isinstance(image, ImageFile.ImageFile)
    image.tile = [tile._replace(args=_swapped(tile.args)) for tile in image.tile]
    image.load()
    return image


def _raw_mode(tile: Any) -> str:
    args = tile.args
    return str(args[0] if isinstance(args, tuple) else args)


def _swapped(args: Any) -> Any:
    raw, *more = args if isinstance(args, tuple) else (args,)
    other = raw[:-1] + SWAPPED[raw[-1]] if ";16" in raw else raw
    return (other, *more) if isinstance(args, tuple) else other
