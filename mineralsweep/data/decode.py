"""Image bytes -> RGB pixels: the one decoder, used by training and by serving alike."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError
from pillow_heif import register_heif_opener

from mineralsweep.data import depth, formats
from mineralsweep.data.colour import to_srgb
from mineralsweep.errors import UnusableImage

Pixels = NDArray[np.uint8]

register_heif_opener()
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 80_000_000  # below the bound at which Pillow itself warns
MAX_JPEG_PIXELS = 250_000_000
"""A JPEG over MAX_PIXELS, as phones with 108 or 200 megapixels make them, is decoded at half size.

libjpeg keeps a progressive one whole in memory, at about 3 bytes a pixel.
"""
# Pillow warns of odd metadata, which does no harm here. Once for all: a filter set for a moment is
# no good in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
BITS = "bits_a_sample"
"""What a saved model's configuration calls the bits of its collection's deep images."""
DECODER_VERSION = 5
"""Part of every cache key: raise it when the same bytes would give other pixels."""


@dataclass(frozen=True)
class ImageFacts:
    """What a file is, whatever its name says. Height and width are in pixels, as displayed.

    `look` holds the perceptual hashes that a catalogue takes, see `looks.describe`; else "".
    `bits` is which of `depth.RANGES` holds the samples of an image of 16 bits a sample; 0 for
    others, and where the file itself says how large a sample can be.
    """

    format: str
    mode: str
    height: int
    width: int
    look: str = ""
    bits: int = 0


def inspect(content: bytes, least: int | None = None) -> ImageFacts:
    """Decode `content` whole and return its facts.

    Args:
        content: as of `decode`.
        least: as of `open_rgb`: of a JPEG all bytes are read, and fewer pixels are made.

    Raises:
        UnusableImage: as `decode` does.
    """
    return open_rgb(content, least=least)[1]


def decode(content: bytes, size: tuple[int, int] | None = None, bits: int = depth.FULL) -> Pixels:
    """Turn the bytes of one image into pixels.

    EXIF rotation is applied, colours of an embedded profile become sRGB, transparency is laid on
    white, grey, palette, 16-bit and CMYK images become RGB, and of an animation the first frame is
    taken.

    Args:
        content: a JPEG, PNG, GIF, WebP, TIFF, BMP, HEIC or AVIF file, at most 64 MiB and 80
            megapixels; a JPEG at most 250.
        size: (height, width) in pixels to resize to (bilinear with antialiasing; the aspect
            ratio is not kept), or None for the image's own size; half of it for a JPEG of more
            than 80 megapixels.
        bits: of an image with 16 bits a sample so many are used: those of its collection, see
            `Catalog.bits`.

    Returns:
        uint8 (height, width, 3), RGB in [0, 255].

    Raises:
        UnusableImage: no such image, damaged, or over a bound. The message is the reason.
    """
    image, _ = open_rgb(content, bits)
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(image, dtype=np.uint8)


def open_rgb(
    content: bytes, bits: int | None = None, least: int | None = None
) -> tuple[Image.Image, ImageFacts]:
    """Return the image of `decode` at its own size, before it becomes an array, and its facts.

    Args:
        content: as of `decode`.
        bits: as of `decode`; None: as many as the image itself uses.
        least: pixels a side that are enough: a JPEG is decoded at the smallest scale that has
            them, which is many times as fast.

    Raises:
        UnusableImage: as `decode` does.
    """
    if not content:
        raise UnusableImage("the file is empty")
    if len(content) > MAX_BYTES:
        raise too_large(content, len(content))
    try:
        image = _opened(content)
        file_format, mode, shown = image.format or "", image.mode, image.size
        if image.width * image.height > MAX_PIXELS:
            _halve(image)
        elif least is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(image.mode, (least, least))
        deep = depth.is_deep(image)
        image.load()
        used = 0
        if deep:
            largest, used = depth.stated(image), depth.bits_used(image)
            used = 0 if largest else used
            image = depth.to_8_bits(image, content, largest or 2 ** (bits or used) - 1)
        before = image.size
        _turn_upright(image)
        if image.size != before:  # a quarter turn
            shown = shown[1], shown[0]
        image = _to_rgb(to_srgb(image))
    except (UnusableImage, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UnusableImage(f"too many pixels; at most {MAX_PIXELS} in all are read") from None
    except UnidentifiedImageError:
        kind = formats.kind(content[: formats.HEAD])
        raise UnusableImage(kind.words, kind.photograph) from None
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        told = str(error).strip() or type(error).__name__
        raise UnusableImage(f"damaged: {told.splitlines()[0]}") from error
    return image, ImageFacts(file_format, mode, shown[1], shown[0], bits=used)


def too_large(head: bytes, size: int) -> UnusableImage:
    """Return what to raise of a file of more than MAX_BYTES; `head` is its beginning."""
    kind = formats.kind(head[: formats.HEAD])
    if not kind.photograph:
        return UnusableImage(kind.words, photograph=False)
    return UnusableImage(f"{size} bytes; at most {MAX_BYTES} are read")


def _opened(content: bytes) -> Image.Image:
    """Return an image whose header is read, and is of a format that we decode."""
    if formats.is_cr2(content):
        raise UnusableImage(formats.CR2.words)
    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=formats.READ)
    except Image.DecompressionBombError:
        if not content.startswith(JPEG):
            raise
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(content))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        reason = formats.raw_kind(image) or formats.of_several(image)
        if reason:
            raise UnusableImage(reason)
    return image


JPEG = b"\xff\xd8"


def _halve(image: Image.Image) -> None:
    """Have a JPEG decoded at half its height and width.

    Raises:
        UnusableImage: it is no JPEG, or has too many pixels even so.
    """
    most = MAX_PIXELS
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        most = MAX_JPEG_PIXELS
    width, height = image.size
    if width * height > most:
        raise UnusableImage(f"{width} x {height} pixels; at most {most} in all are read")
    image.draft(image.mode, (width // 2, height // 2))


def _turn_upright(image: Image.Image) -> None:
    """Apply EXIF rotation in place: a copy of each image would cost a fifth of its decoding."""
    with contextlib.suppress(Exception):  # a broken EXIF block is no reason to lose the picture
        ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        levels = np.asarray(image, dtype=np.float64)
        if not 0 <= levels.min() <= levels.max() <= 255:  # no number at all: false
            raise UnusableImage(
                "numbers with a point that are not from 0 to 255: save it with 8 or 16 bits"
            )
        shown = np.rint(levels * 255.0 if levels.max() <= 1.0 else levels)
        return Image.fromarray(shown.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
