"""One decoder for every kind of image."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mineralsweep.data import decode as module
from mineralsweep.data.decode import decode, inspect
from mineralsweep.errors import UnusableImage
from tests.pictures import catalog_of, encode, noisy, write_classes

RED = (200, 30, 30)


def near(pixel: object, colour: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(np.asarray(pixel, int) - np.array(colour)).max() <= tolerance)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_every_format_becomes_rgb(file_format: str) -> None:
    content = encode(Image.new("RGB", (30, 20), RED), file_format)
    pixels = decode(content)
    assert pixels.shape == (20, 30, 3)
    assert pixels.dtype == np.uint8
    assert near(pixels[10, 15], RED)
    assert inspect(content).format == file_format


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 8), 65535 // 2, np.uint16))
    else:
        image = Image.new("RGB", (8, 8), (128, 128, 128)).convert(mode)
    file_format = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    tolerance = {"1": 130, "P": 30}.get(mode, 3)  # black or white; the web palette
    assert near(decode(encode(image, file_format))[4, 4], (128, 128, 128), tolerance)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "TIFF"])
def test_transparency_is_laid_on_white(file_format: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 10, 20))
    options = {"lossless": True} if file_format == "WEBP" else {}
    pixels = decode(encode(image, file_format, **options))
    assert near(pixels[10, 4], RED)
    assert near(pixels[10, 15], (255, 255, 255))


def test_half_transparent_red_on_white_is_pink() -> None:
    pixels = decode(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 128))))
    assert near(pixels[0, 0], (255, 127, 127), 2)


def test_exif_rotation_is_applied() -> None:
    image = Image.new("RGB", (40, 20), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    content = encode(image, "JPEG", exif=exif.tobytes())
    assert decode(content).shape == (40, 20, 3)
    assert (inspect(content).height, inspect(content).width) == (40, 20)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in (RED, (0, 0, 255))]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert near(decode(buffer.getvalue())[5, 5], RED)


def test_the_name_of_the_format_does_not_matter_only_the_bytes() -> None:
    assert inspect(encode(noisy(RED, 1), "WEBP")).format == "WEBP"


def test_resizing_gives_height_and_width_in_that_order() -> None:
    assert decode(encode(noisy(RED, 1)), (12, 34)).shape == (12, 34, 3)


def test_a_thin_strip_can_be_resized() -> None:
    assert decode(encode(Image.new("RGB", (2000, 1), RED)), (32, 32)).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>not found</html>", "HTML page"),
        (b"\n <html>", "HTML page"),
        (b"plain text", "a text file"),
        (b"\x89PNG\r\n\x1a\n", "damaged|not an image"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnusableImage, match=reason):
        decode(content)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_truncated_file_is_refused(file_format: str, tenth: int) -> None:
    content = encode(noisy(RED, 3, (80, 80)), file_format)
    with pytest.raises(UnusableImage):
        decode(content[: len(content) * tenth // 10])


def test_too_many_pixels_are_refused_before_they_are_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", 100)
    with pytest.raises(UnusableImage, match=r"20 x 10 pixels; at most 100"):
        decode(encode(Image.new("RGB", (20, 10))))


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    with pytest.raises(UnusableImage, match="at most 10 are read"):
        decode(encode(noisy(RED, 1)))


def test_perceptual_hashes_are_made_for_a_catalogue_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash of an image in 24 views takes six times as long as to decode it."""
    import imagehash

    hashed: list[int] = []
    real = imagehash.phash
    monkeypatch.setattr(imagehash, "phash", lambda *given: hashed.append(1) or real(*given))
    folder = write_classes(tmp_path / "photos", ("ash", "beech"), 1)
    image = next((folder / "ash").iterdir())
    inspect(image.read_bytes())
    decode(image.read_bytes(), (20, 20))
    inspect(image.read_bytes(), 10)
    assert len(hashed) == 0
    catalog_of(folder)
    assert len(hashed) == 2 * 24


def test_a_look_at_few_pixels_reads_the_whole_file() -> None:
    jpeg = encode(noisy(RED, 1, (300, 400)), "JPEG")
    assert inspect(jpeg, 10) == inspect(jpeg)
    for cut in (len(jpeg) // 2, len(jpeg) - 100):
        with pytest.raises(UnusableImage, match="truncated"):
            inspect(jpeg[:cut], 10)
