"""Colours as the photographer saw them: an embedded profile's numbers become those of sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MOST_BYTES = 4 * 2**20
"""A larger profile is passed over; those of print shops have about 1 MiB."""
SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
"""A profile's own word for what it describes, by Pillow's mode."""
SAME = 2
"""Levels in [0, 255]: a profile that changes no colour by more is that of sRGB, under any name."""
STEPS = 9
"""Levels a channel that are tried."""


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an image in sRGB, mode RGB or RGBA, where it has a profile of other colours.

    An image without a profile, with that of sRGB, with one of another kind than its pixels, or with
    one that can't be read, is returned as it is.

    Args:
        image: loaded, in any mode of Pillow.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 0 < len(profile) <= MOST_BYTES:
        return image
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    mode = {"P": "RGB", "RGBA": "RGB", "LA": "L", "PA": "RGB"}.get(image.mode, image.mode)
    transform = _transform(profile, mode)
    if transform is None:
        return image
    plain = image if image.mode == mode else image.convert(mode)
    converted = ImageCms.applyTransform(plain, transform)
    assert converted is not None  # only with inPlace=True
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what turns pixels of a mode into sRGB; None where there is nothing to turn."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.xcolor_space != SPACES.get(mode):
            return None
        transform = ImageCms.buildTransform(
            own,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if _changes_nothing(transform, mode) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    if mode == "CMYK":
        return False
    levels = np.linspace(0, 255, STEPS).round().astype(np.uint8)
    if mode == "L":
        tried = Image.fromarray(levels[None, :])
    else:
        grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
        tried = Image.fromarray(grid.reshape(1, -1, 3))
    turned = ImageCms.applyTransform(tried, transform)
    before = np.asarray(tried.convert("RGB"), np.int16)
    return bool(np.abs(np.asarray(turned, np.int16) - before).max() <= SAME)
