"""Images with more than 8 bits a sample, against values worked by hand."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from mineralsweep.data import arrays
from mineralsweep.data.decode import decode, inspect
from mineralsweep.errors import UnusableImage
from tests.pictures import catalog_of

Samples = NDArray[np.uint16]


def tiff(samples: NDArray[Any], **more: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **more)
    return buffer.getvalue()


def png(samples: Samples) -> bytes:
    """Write a PNG of 16 bits a sample: grey, RGB or RGBA. Pillow writes no such colours."""
    height, width, *channels = samples.shape
    kind = {(): 0, (3,): 2, (4,): 6}[tuple(channels)]

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def ramp(most: int, channels: int = 3) -> Samples:
    """Return (6, 8, channels) samples from 0 to `most`."""
    levels = np.linspace(0, most, 6 * 8 * channels).round().astype(np.uint16)
    return levels.reshape(6, 8, channels)


WRITERS = {
    "TIFF": lambda samples: tiff(samples, photometric="rgb"),
    "deflated TIFF": lambda samples: tiff(samples, photometric="rgb", compression="zlib"),
    "big-endian TIFF": lambda s: tiff(s.astype(">u2"), photometric="rgb", byteorder=">"),
    "tiled TIFF": lambda samples: tiff(samples, photometric="rgb", tile=(16, 16)),
    "PNG": png,
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("most", "bits"), [(1023, 10), (4095, 12), (16383, 14), (200, 8)])
def test_colours_are_scaled_by_the_range_that_is_asked_for(
    writer: str, most: int, bits: int
) -> None:
    samples = ramp(most)
    content = WRITERS[writer](samples)
    assert inspect(content).bits == bits
    wanted = np.rint(samples * (255 / (2**bits - 1)))
    assert np.abs(decode(content, bits=bits) - wanted).max() <= 0.5 + 1e-3
    # By the range of the file's type, as one image knows no better: the upper 8 bits.
    assert (decode(content) == samples >> 8).all()


def test_greys_are_scaled_by_the_range_that_is_asked_for() -> None:
    samples = ramp(4095, 1)[..., 0]
    for content in (tiff(samples), png(samples), tiff(samples.astype(">u2"), byteorder=">")):
        assert inspect(content).bits == 12
        for bits in (12, 16):
            wanted = np.rint(samples * (255 / (2**bits - 1)))
            found = decode(content, bits=bits)
            assert np.abs(found[..., 0] - wanted).max() <= 0.5 + 1e-3
            assert (found == found[..., :1]).all()


def test_brighter_than_the_collection_is_white() -> None:
    assert decode(tiff(np.full((4, 5), 60_000, np.uint16)), bits=12).min() == 255


def test_a_range_that_the_file_states_is_that_of_the_file() -> None:
    stated = tiff(ramp(2000), photometric="rgb", extratags=[(281, "H", 3, (2000,) * 3, True)])
    assert inspect(stated).bits == 0
    for bits in (12, 16):
        assert np.abs(decode(stated, bits=bits) - np.rint(ramp(2000) * (255 / 2000))).max() <= 1


def test_transparency_is_laid_on_white_in_16_bits_too() -> None:
    samples = np.dstack([ramp(4095), np.zeros((6, 8), np.uint16)])
    assert (decode(png(samples), bits=12) == 255).all()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            tiff(ramp(65535).transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
            "in planes: save it with interleaved channels",
        ),
        (tiff(np.zeros((5, 6, 8), np.uint8)), "a TIFF of 5 pages"),
        (tiff(np.zeros((3, 6, 8, 3), np.uint8), photometric="rgb"), "a TIFF of 3 pages"),
    ],
)
def test_tiffs_that_would_be_read_wrong_are_refused(content: bytes, told: str) -> None:
    with pytest.raises(UnusableImage, match=told):
        decode(content)


def test_planes_of_8_bits_and_smaller_copies_are_read() -> None:
    samples = (ramp(255)).astype(np.uint8)
    planes = tiff(samples.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate")
    assert (decode(planes) == samples).all()
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(samples, photometric="rgb")
        writer.write(samples[::2, ::2], photometric="rgb", subfiletype=1)
    assert (decode(buffer.getvalue()) == samples).all()


def test_a_collection_has_one_range_and_its_arrays_show_it(tmp_path: Path) -> None:
    for label, most in (("ash", 1500), ("beech", 4000)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "a.tif").write_bytes(tiff(ramp(most), photometric="rgb"))
        Image.new("RGB", (8, 6), (9, 9, most % 200)).save(tmp_path / "photos" / label / "b.png")
    found = catalog_of(tmp_path / "photos")
    assert found.bits == 12
    path = arrays.ensure(found, (6, 8))
    assert arrays.size_of(path) == "6x8"
    brightest = sorted(int(image.max()) for image in arrays.load(path) if image.max() > 190)
    assert brightest == [249]  # 4000 of 4095; 1500 of 4095 is 93
    (tmp_path / "photos" / "beech" / "a.tif").write_bytes(tiff(ramp(60_000), photometric="rgb"))
    assert catalog_of(tmp_path / "photos").bits == 16


def test_a_hot_pixel_widens_no_range() -> None:
    samples = np.full((200, 300, 3), 3000, np.uint16)
    samples[7, 9] = 65535
    for content in (tiff(samples, photometric="rgb"), png(samples), tiff(samples[..., 0].copy())):
        assert inspect(content).bits == 12
        assert decode(content, bits=12)[7, 9].tolist() == [255] * 3


def test_white_is_zero_is_turned_round() -> None:
    samples = ramp(65535, 1)[..., 0]
    turned = decode(tiff(65535 - samples, photometric="miniswhite"))
    assert np.abs(turned[..., 0] - np.rint(samples / 257)).max() <= 1


def test_whole_numbers_of_32_bits_and_with_a_sign_are_scaled_alike() -> None:
    samples = ramp(4095, 1)[..., 0]
    wanted = np.rint(samples * (255 / 4095))
    for kind in (np.int16, np.int32, np.uint32):
        content = tiff(samples.astype(kind))
        assert inspect(content).bits == 12
        assert np.abs(decode(content, bits=12)[..., 0] - wanted).max() <= 1
    for wrong in (samples.astype(np.int32) - 5, samples.astype(np.int32) + 70_000):
        with pytest.raises(UnusableImage, match="save it with 8 or 16 bits"):
            decode(tiff(wrong))
    with pytest.raises(UnusableImage, match="with a point that are not from 0 to 255"):
        decode(tiff(samples.astype(np.float32)))


def test_a_larger_second_page_is_refused() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for side in (40, 400):
            writer.write(np.zeros((side, side, 3), np.uint8), photometric="rgb")
    with pytest.raises(UnusableImage, match="a TIFF of 2 pages"):
        decode(buffer.getvalue())
