"""Image bytes -> RGB pixels: the one decoder, used by training and by serving alike."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mineralsweep.errors import UnusableImage

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 80_000_000  # below the bound at which Pillow itself warns
# Pillow warns of odd metadata, which does no harm here. Once for all: a filter set for a moment is
# no good in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
DECODER_VERSION = 1
"""Part of every cache key: raise it when the same bytes would give other pixels."""


@dataclass(frozen=True)
class ImageFacts:
    """What a file is, whatever its name says. Height and width are in pixels, as displayed.

    `look` holds the perceptual hashes that a catalogue takes, see `looks.describe`; else "".
    """

    format: str
    mode: str
    height: int
    width: int
    look: str = ""


def inspect(content: bytes) -> ImageFacts:
    """Decode `content` whole and return its facts.

    Raises:
        UnusableImage: as `decode` does.
    """
    return open_rgb(content)[1]


def decode(content: bytes, size: tuple[int, int] | None = None) -> Pixels:
    """Turn the bytes of one image into pixels.

    EXIF rotation is applied, transparency is laid on white, grey, palette, 16-bit and CMYK
    images become RGB, and of an animation the first frame is taken.

    Args:
        content: a JPEG, PNG, GIF, WebP, TIFF or BMP file, at most 64 MiB and 80 megapixels.
        size: (height, width) in pixels to resize to (bilinear with antialiasing; the aspect
            ratio is not kept), or None for the image's own size.

    Returns:
        uint8 (height, width, 3), RGB in [0, 255].

    Raises:
        UnusableImage: no such image, damaged, or over a bound. The message is the reason.
    """
    image, _ = open_rgb(content)
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(image, dtype=np.uint8)


def open_rgb(content: bytes) -> tuple[Image.Image, ImageFacts]:
    """Return the image of `decode` at its own size, before it becomes an array, and its facts.

    Raises:
        UnusableImage: as `decode` does.
    """
    if not content:
        raise UnusableImage("the file is empty")
    if len(content) > MAX_BYTES:
        raise UnusableImage(f"{len(content)} bytes; at most {MAX_BYTES} are read")
    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise UnusableImage(
                f"{image.width} x {image.height} pixels; at most {MAX_PIXELS} in all are read"
            )
        file_format, mode = image.format or "", image.mode
        image.load()
        image = _to_rgb(_upright(image))
    except (UnusableImage, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UnusableImage(f"too many pixels; at most {MAX_PIXELS} in all are read") from None
    except UnidentifiedImageError:
        raise UnusableImage(f"not an image of a known format ({_first_bytes(content)})") from None
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise UnusableImage(f"damaged: {str(error) or type(error).__name__}") from error
    return image, ImageFacts(file_format, mode, image.height, image.width)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block is no reason to lose the picture
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _from_levels(np.asarray(image, dtype=np.float64) / 257.0)
    if image.mode == "I":
        levels = np.asarray(image, dtype=np.float64)
        return _from_levels(levels / 257.0 if levels.max() > 255 else levels)
    if image.mode == "F":
        levels = np.asarray(image, dtype=np.float64)
        return _from_levels(levels * 255.0 if np.nanmax(levels) <= 1.0 else levels)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _from_levels(levels: NDArray[np.float64]) -> Image.Image:
    finite = np.nan_to_num(levels, nan=0.0, posinf=255.0, neginf=0.0)
    return Image.fromarray(np.clip(np.rint(finite), 0, 255).astype(np.uint8)).convert("RGB")


def _first_bytes(content: bytes) -> str:
    head = content[:256].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page"
    return f"it begins with {content[:8]!r}"
