"""How every page is made: one shell and style, sections from a template's blocks, pictures."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from mineralsweep.data.decode import Pixels


@dataclass(frozen=True)
class Page:
    """A page that stands alone, and the headlines of its warnings."""

    html: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Attributes:
        name: of its block in the page's template, and its place in a link.
        title: of the section.
        build: returns what the block shows.
    """

    name: str
    title: str
    build: Callable[[], dict[str, Any]]


def render(template: str, sections: Sequence[Section], **head: Any) -> str:
    """Return a page. A section that can't be made says so in its place; the others stand.

    The page loads nothing from elsewhere and runs no script.

    Args:
        template: its name; it extends page.html, and has a block for each section.
        sections: in their order.
        head: what the template's blocks `title` and `header` show.
    """
    made = [(section, _made(template, section)) for section in sections]
    return _environment().get_template(template).render(sections=made, **head)


def _made(template: str, section: Section) -> Markup:
    try:
        loaded = _environment().get_template(template)
        context = loaded.new_context(section.build())
        return Markup("".join(loaded.blocks[section.name](context)))  # noqa: S704 - it is escaped
    except Exception as error:
        # A page that lacks a section is worth more than none.
        logging.getLogger(__name__).warning(
            "page: section %s: %s: %s", section.name, type(error).__name__, error, exc_info=True
        )
        reason = f"{type(error).__name__}: {error}"
        return Markup('<p class="broken">This section could not be made: {}</p>').format(reason)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mineralsweep.report"),
        autoescape=True,  # names of classes and files may hold anything
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


THUMBNAIL = 128
LARGE = 280
"""The longer side of a picture, in pixels."""


def of_image(image: Image.Image) -> Markup:
    """Return a JPEG of an image as a data URI, at most LARGE pixels a side; shrinks the image."""
    image.thumbnail((LARGE, LARGE), reducing_gap=2.0)
    return _uri(image, "JPEG", quality=78)


def blank() -> Markup:
    """Return a white pixel as a data URI."""
    return _uri(Image.new("RGB", (1, 1), "white"), "PNG")


def thumbnail(pixels: Pixels) -> Markup:
    """Return a JPEG of uint8 (height, width, 3) as a data URI, at most THUMBNAIL pixels a side."""
    return _uri(_shrunk(pixels), "JPEG", quality=82, optimize=True)


def heat(values: NDArray[np.floating]) -> Markup:
    """Return float (h, w), at its own size or enlarged, as a picture in viridis: dark is low."""
    span = float(values.max() - values.min())
    share = (values - values.min()) / span if span else np.zeros_like(values)
    image = Image.fromarray(_viridis(share).astype(np.uint8))
    factor = max(1, THUMBNAIL // 2 // max(image.size))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return _uri(image, "PNG", optimize=True)


def overlaid(pixels: Pixels, values: NDArray[np.floating]) -> Markup:
    """Return an image under a heat map in [0, 1]: uint8 (height, width, 3) and float (h, w)."""
    image = _shrunk(pixels)
    small = Image.fromarray(np.clip(values * 255, 0, 255).astype(np.uint8))
    share = np.asarray(small.resize(image.size, Image.Resampling.BICUBIC)) / 255
    grey = np.asarray(image.convert("L"), np.float64)[:, :, None]
    mixed = 0.4 * grey + 0.6 * _viridis(share)
    return _uri(Image.fromarray(mixed.astype(np.uint8)), "JPEG", quality=82, optimize=True)


def _viridis(share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return [0, 1] (h, w) as colours, float (h, w, 3) in 0..255."""
    from matplotlib import colormaps  # not above: `Page` is of use without it

    colors: NDArray[np.float64] = colormaps["viridis"](share)[:, :, :3] * 255
    return colors


def _shrunk(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return image


def _uri(image: Image.Image, form: str, **options: int | bool) -> Markup:
    content = io.BytesIO()
    image.save(content, form, **options)
    text = base64.b64encode(content.getvalue()).decode()
    return Markup(f"data:image/{form.lower()};base64,{text}")  # noqa: S704 - base64 holds no markup
