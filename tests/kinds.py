"""One picture in every kind of file that is read, with the pixels that it has to become."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.pictures import SRGB_PRIMARIES, colour_profile, encode

RED, GREEN, BLUE = SRGB_PRIMARIES
SWAPPED = colour_profile((GREEN, RED, BLUE))
"""A profile whose first primary is sRGB's green, and whose second is its red."""
COLOUR = (200, 60, 40)
SIZE = (24, 36)
"""Height and width in pixels."""


def _plain(colour: int | tuple[int, ...] = COLOUR, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, SIZE[::-1], colour)


def _tiff(samples: NDArray[Any], **more: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **more)
    return buffer.getvalue()


def _deep(bits: int) -> NDArray[np.uint16]:
    scaled = np.rint(np.array(COLOUR) * ((2**bits - 1) / 255)).astype(np.uint16)
    return np.broadcast_to(scaled, (*SIZE, 3)).copy()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(_plain(), "JPEG", quality=100, subsampling=0, exif=exif)


KINDS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "JPEG": (encode(_plain(), "JPEG", quality=100, subsampling=0), COLOUR),
    "JPEG, turned by EXIF": (_turned(), COLOUR),
    "JPEG, greys": (encode(_plain(90, "L"), "JPEG", quality=100), (90, 90, 90)),
    "JPEG, CMYK": (
        encode(_plain((0, 255, 255, 0), "CMYK"), "JPEG", quality=100),
        (255, 0, 0),
    ),
    "PNG": (encode(_plain()), COLOUR),
    "PNG, palette": (encode(_plain().quantize(4)), COLOUR),
    "PNG, transparent": (encode(_plain((*COLOUR, 0), "RGBA")), (255, 255, 255)),
    "PNG, other primaries": (encode(_plain((0, 255, 0)), icc_profile=SWAPPED), (255, 0, 0)),
    "GIF": (encode(_plain().quantize(4), "GIF"), COLOUR),
    "WebP": (encode(_plain(), "WEBP", lossless=True), COLOUR),
    "BMP": (encode(_plain(), "BMP"), COLOUR),
    "AVIF": (encode(_plain(), "AVIF", quality=100, subsampling="4:4:4"), COLOUR),
    "HEIC": (encode(_plain(), "HEIF", quality=100, chroma=444), COLOUR),
    "TIFF": (encode(_plain(), "TIFF"), COLOUR),
    "TIFF, 12 bits": (_tiff(_deep(12), photometric="rgb"), COLOUR),
    "TIFF, 12 bits, greys": (_tiff(_deep(12)[..., 1].copy()), (60, 60, 60)),
}
"""Its bytes, and its colour in sRGB, by its name. Those of 12 bits make a collection of 12 bits."""
