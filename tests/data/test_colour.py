"""Embedded profiles: the same colours, in the numbers of sRGB, against values worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mineralsweep.data import colour
from mineralsweep.data.decode import decode
from tests.pictures import SRGB_PRIMARIES, colour_profile, encode

RED, GREEN, BLUE = SRGB_PRIMARIES
SWAPPED = colour_profile((GREEN, RED, BLUE))
LINEAR = colour_profile(gamma=1.0)
GREY_LINEAR = colour_profile((), gamma=1.0)
PLAIN = colour_profile()


def plain(level: int | tuple[int, ...], mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (8, 6), level)


def decoded(image: Image.Image, profile: bytes, file_format: str = "PNG", **more: object) -> object:
    pixels = decode(encode(image, file_format, icc_profile=profile, **more))
    assert pixels.shape == (6, 8, 3)
    assert (pixels == pixels[0, 0]).all()
    return tuple(pixels[0, 0].tolist())


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_the_colour_is_kept_not_the_number(file_format: str) -> None:
    lossless = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    more = lossless.get(file_format, {})
    found = decoded(plain((255, 0, 0)), SWAPPED, file_format, **more)
    assert np.abs(np.subtract(found, (0, 255, 0))).max() <= 3  # type: ignore[call-overload]


def test_a_light_that_is_linear_is_made_srgb() -> None:
    # 55 of 255 is 0.2157 of the light; sRGB writes 1.055 * 0.2157 ** (1 / 2.4) - 0.055 of 255: 128.
    found = decoded(plain((55, 55, 55)), LINEAR)
    assert np.abs(np.subtract(found, 128)).max() <= 1  # type: ignore[call-overload]
    grey = decoded(plain(55, "L"), GREY_LINEAR)
    assert np.abs(np.subtract(grey, 128)).max() <= 1  # type: ignore[call-overload]


def test_a_jpeg_and_a_heic_are_converted_too() -> None:
    for file_format in ("JPEG", "HEIF"):
        found = decode(encode(plain((255, 0, 0)), file_format, icc_profile=SWAPPED, quality=100))
        assert np.abs(found.reshape(-1, 3).mean(axis=0) - (0, 255, 0)).max() <= 6


def test_transparency_and_palettes_keep_their_colours() -> None:
    found = decoded(plain((255, 0, 0, 0), "RGBA"), SWAPPED)
    assert found == (255, 255, 255)
    found = decoded(plain((255, 0, 0, 255), "RGBA"), SWAPPED)
    assert np.abs(np.subtract(found, (0, 255, 0))).max() <= 3  # type: ignore[call-overload]
    palette = plain((255, 0, 0)).quantize(4)
    found = decoded(palette, SWAPPED)
    assert np.abs(np.subtract(found, (0, 255, 0))).max() <= 3  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "profile",
    [b"", b"no profile at all", SWAPPED[:100], GREY_LINEAR, b"\0" * (colour.MOST_BYTES + 1)],
    ids=["none", "damaged", "cut", "of another kind", "too large"],
)
def test_a_profile_that_does_not_serve_costs_no_picture(profile: bytes) -> None:
    image = plain((200, 30, 40))
    image.info["icc_profile"] = profile
    assert colour.to_srgb(image) is image


def test_srgb_under_any_name_changes_no_pixel() -> None:
    from PIL import ImageCms

    image = plain((200, 30, 40))
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert colour.to_srgb(image) is image


def test_photographs_in_other_colours_are_found(photos: Path) -> None:
    turned = 0
    for path in photos.rglob("*"):
        if path.is_file():
            with Image.open(path) as image:
                if image.info.get("icc_profile"):
                    turned += colour.to_srgb(image) is not image
    assert turned == 12
