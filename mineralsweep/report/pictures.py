"""Pixels -> small pictures inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from markupsafe import Markup
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from mineralsweep.data.decode import Pixels

THUMBNAIL = 128
LARGE = 280
"""The longer side of a picture, in pixels."""


def of_image(image: Image.Image, side: int = LARGE) -> Markup:
    """Return a JPEG of an image as a data URI, at most `side` pixels a side; shrinks the image."""
    image.thumbnail((side, side), reducing_gap=2.0)
    return _uri(image, "JPEG", quality=78)


def blank() -> Markup:
    """Return a white pixel as a data URI."""
    return _uri(Image.new("RGB", (1, 1), "white"), "PNG")


def thumbnail(pixels: Pixels, side: int = THUMBNAIL) -> Markup:
    """Return a JPEG of uint8 (height, width, 3) as a data URI, at most `side` pixels a side."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _uri(image, "JPEG", quality=82, optimize=True)


def heat(values: NDArray[np.floating], side: int = THUMBNAIL // 2) -> Markup:
    """Return float (h, w), at its own size or enlarged, as a picture in viridis: dark is low."""
    span = float(values.max() - values.min())
    share = (values - values.min()) / span if span else np.zeros_like(values)
    colors = (colormaps["viridis"](share)[:, :, :3] * 255).astype(np.uint8)
    image = Image.fromarray(colors)
    factor = max(1, side // max(image.size))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return _uri(image, "PNG", optimize=True)


def overlaid(pixels: Pixels, values: NDArray[np.floating], side: int = THUMBNAIL) -> Markup:
    """Return an image under a heat map in [0, 1]: uint8 (height, width, 3) and float (h, w)."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    small = Image.fromarray(np.clip(values * 255, 0, 255).astype(np.uint8))
    share = np.asarray(small.resize(image.size, Image.Resampling.BICUBIC)) / 255
    colors = colormaps["viridis"](share)[:, :, :3] * 255
    grey = np.asarray(image.convert("L"), np.float64)[:, :, None]
    mixed = 0.4 * grey + 0.6 * colors
    return _uri(Image.fromarray(mixed.astype(np.uint8)), "JPEG", quality=82, optimize=True)


def _uri(image: Image.Image, form: str, **options: int | bool) -> Markup:
    content = io.BytesIO()
    image.save(content, form, **options)
    text = base64.b64encode(content.getvalue()).decode()
    return Markup(f"data:image/{form.lower()};base64,{text}")  # noqa: S704 - base64 holds no markup
