"""Awkward files and what becomes of each; `python -m tests.faults.catalogue` prints the table."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from tests.pictures import encode, noisy

READ = ""
"""The outcome of a file that is used."""

PICTURE = noisy((200, 60, 40), 3, (60, 80))


@dataclass(frozen=True)
class Awkward:
    """A file that a collection may hold.

    Attributes:
        what: it is, in a few words; the row's name in docs/reliability.md.
        name: of the file.
        make: writes it to a path.
        reason: a part of why it is skipped; READ where it is used.
        size: (height, width) as it is read.
    """

    what: str
    name: str | bytes
    make: Callable[[Path], object]
    reason: str = READ
    size: tuple[int, int] = (60, 80)


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _picture(file_format: str, image: Image.Image = PICTURE, **options: Any) -> Any:
    return _bytes(encode(image, file_format, **options))


def _cut(tenth: int) -> Awkward:
    content = encode(PICTURE, "JPEG")
    content = content[: len(content) * tenth // 10]
    return Awkward(f"JPEG cut at {tenth} tenths", "cut.jpg", _bytes(content), "|".join(
        ("damaged", "a damaged JPEG")))  # fmt: skip


def _png(side: int, bits: int, colours: int, lines: bytes) -> bytes:
    """Return a square PNG, put together by hand."""
    header = struct.pack(">IIBBBBB", side, side, bits, colours, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packed = zlib.compress(lines, 9)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _bomb() -> bytes:
    """Return a small PNG of 30,000 x 30,000 black pixels."""
    return _png(30_000, 1, 0, b"\0" * (30_000 * 3751))


def _deep_alpha() -> bytes:
    """Return a PNG of 8 x 8 pixels: grey and transparency, 16 bits each."""
    return _png(8, 16, 4, (b"\0" + struct.pack(">HH", 1000, 65535) * 8) * 8)


def _cr2() -> bytes:
    """Return what Canon's raw files begin with: a TIFF whose first picture is a preview."""
    tags = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 4, 279: 16}
    tags[273] = 16 + 2 + 12 * len(tags) + 4  # where the pixels stand
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<4sI4sI", b"II*\0", 16, b"CR\2\0", 0)
    return head + struct.pack("<H", len(tags)) + entries + bytes(4) + bytes(range(16))


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _animation(file_format: str) -> Any:
    others = [noisy((40, 160, 60), seed, (60, 80)) for seed in (1, 2)]
    return _picture(file_format, save_all=True, append_images=others)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(encode(PICTURE))
        file.truncate(65 * 2**20)


def _video(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\0\0\0\x14ftypqt  \0\0\0\0qt  ")
        file.truncate(65 * 2**20)


def _raw(tags: dict[int, Any]) -> Any:
    """Return what writes a TIFF as cameras do: a small picture first, the raw one beneath."""
    from PIL import TiffImagePlugin

    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
    return _picture("TIFF", tiffinfo=directory)


def _wrong_checksum() -> bytes:
    content = bytearray(encode(PICTURE))
    content[content.index(b"IDAT") + 20] ^= 0xFF
    return bytes(content)


def _text_bomb() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * 3_000_000, zip=True)
    return encode(PICTURE, pnginfo=info)


_PIXELS = np.asarray(PICTURE)
_GREY16 = Image.fromarray((_PIXELS[..., 0].astype(np.uint16)) * 257)
_FLOAT = Image.fromarray(_PIXELS[..., 0].astype(np.float32) / 255)
_HOLE = Image.fromarray(np.full((60, 80), np.nan, np.float32))
_WHOLE = Image.fromarray(_PIXELS[..., 0].astype(np.int32))
_UNKNOWN = "not an image of a known format"

FILES = (
    Awkward("empty", "empty.jpg", _bytes(b""), "the file is empty"),
    *(_cut(tenth) for tenth in range(1, 10)),
    Awkward("a web page named .jpg", "page.jpg", _bytes(b"<!DOCTYPE html>"), "an HTML page"),
    Awkward("text named .png", "text.png", _bytes(b"not found"), "a text file"),
    Awkward("nothing but PNG's first bytes", "head.png", _bytes(b"\x89PNG\r\n\x1a\n"),
            "damaged"),
    Awkward("PNG of 900 megapixels in 100 kB", "bomb.png", _bytes(_bomb()), "at most 80000000"),
    Awkward("PNG with a text that unpacks to 3 MB", "text-bomb.png", _bytes(_text_bomb()),
            "damaged"),
    Awkward("file of 65 MiB", "large.png", _sparse, "at most 67108864 are read"),
    Awkward("1 x 1 pixel", "dot.png", _picture("PNG", noisy((9, 9, 9), 1, (1, 1))), size=(1, 1)),
    Awkward("20,000 pixels wide, 1 high", "line.png",
            _picture("PNG", noisy((9, 9, 9), 1, (1, 20_000))), size=(1, 20_000)),
    Awkward("1 pixel wide, 20,000 high", "pole.png",
            _picture("PNG", noisy((9, 9, 9), 1, (20_000, 1))), size=(20_000, 1)),
    Awkward("animated GIF", "moves.gif", _animation("GIF")),
    Awkward("animated PNG", "moves.png", _animation("PNG")),
    Awkward("animated WebP", "moves.webp", _animation("WEBP")),
    Awkward("TIFF of three pages", "pages.tif", _animation("TIFF"), "a TIFF of 3 pages"),
    Awkward("CMYK JPEG", "print.jpg", _picture("JPEG", PICTURE.convert("CMYK"))),
    Awkward("CMYK TIFF", "print.tif", _picture("TIFF", PICTURE.convert("CMYK"))),
    Awkward("grey JPEG", "grey.jpg", _picture("JPEG", PICTURE.convert("L"))),
    Awkward("16-bit grey PNG", "deep.png", _picture("PNG", _GREY16)),
    Awkward("32-bit whole-number TIFF", "whole.tif", _picture("TIFF", _WHOLE)),
    Awkward("floating-point TIFF", "float.tif", _picture("TIFF", _FLOAT)),
    Awkward("floating-point TIFF with a hole", "hole.tif", _picture("TIFF", _HOLE),
            "numbers with a point"),
    Awkward("16-bit grey PNG with transparency", "deep-alpha.png", _bytes(_deep_alpha()),
            "16-bit grey with transparency"),
    Awkward("black and white PNG, 1 bit", "bits.png", _picture("PNG", PICTURE.convert("1"))),
    Awkward("palette PNG with a transparent colour", "palette.png",
            _picture("PNG", PICTURE.convert("P"), transparency=0)),
    Awkward("PNG with transparency", "alpha.png", _picture("PNG", PICTURE.convert("RGBA"))),
    Awkward("grey PNG with transparency", "la.png", _picture("PNG", PICTURE.convert("LA"))),
    Awkward("progressive JPEG", "steps.jpg", _picture("JPEG", progressive=True)),
    Awkward("JPEG that EXIF turns by a quarter", "turned.jpg",
            _picture("JPEG", exif=_exif(6)), size=(80, 60)),
    Awkward("JPEG with an EXIF orientation of 99", "exif99.jpg",
            _picture("JPEG", exif=_exif(99))),
    Awkward("JPEG with a broken EXIF block", "exif.jpg",
            _picture("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    Awkward("JPEG with a broken colour profile", "icc.jpg",
            _picture("JPEG", icc_profile=b"no profile")),
    Awkward("PNG with a broken colour profile", "icc.png",
            _picture("PNG", icc_profile=b"no profile")),
    Awkward("JPEG named .png", "jpeg.png", _picture("JPEG")),
    Awkward("PNG without a name's ending", "photo", _picture("PNG")),
    Awkward("PNG with a wrong checksum", "sum.png", _bytes(_wrong_checksum()), "damaged"),
    Awkward("JPEG with a web page behind it", "tail.jpg",
            _bytes(encode(PICTURE, "JPEG") + b"<html></html>" * 50)),
    Awkward("Windows icon", "icon.ico", _picture("ICO"), _UNKNOWN),
    Awkward("SVG drawing", "drawing.svg", _bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            "an SVG drawing"),
    Awkward("PDF", "paper.pdf", _bytes(b"%PDF-1.7\n"), "a PDF"),
    Awkward("HEIC photograph of an iPhone", "phone.heic", _picture("HEIF")),
    Awkward("HEIC that EXIF turns by a quarter", "turned.heic",
            _picture("HEIF", exif=_exif(6)), size=(80, 60)),
    Awkward("HEIC cut short", "cut.heic", _bytes(encode(PICTURE, "HEIF")[:600]), "damaged"),
    Awkward("AVIF photograph", "phone.avif", _picture("AVIF")),
    Awkward("JPEG with two pictures (MPO)", "stereo.mpo",
            _picture("MPO", save_all=True, append_images=[PICTURE])),
    Awkward("JPEG of 108 megapixels", "108.jpg",
            _bytes(encode(Image.new("L", (12_000, 9_000), 90), "JPEG")), size=(9_000, 12_000)),
    Awkward("JPEG of 198 megapixels", "198.jpg",
            _bytes(encode(Image.new("L", (16_250, 12_200), 90), "JPEG")), size=(12_200, 16_250)),
    Awkward("PNG of 90 megapixels", "90.png",
            _bytes(encode(Image.new("1", (10_000, 9_000)))), "at most 80000000"),
    Awkward("raw photograph, DNG", "raw.dng", _raw({50706: b"\1\4\0\0"}), "a raw photograph (DNG)"),
    Awkward("raw photograph, NEF", "raw.nef", _raw({254: 1, 330: 8, 271: "NIKON CORPORATION"}),
            "a raw photograph (NEF)"),
    Awkward("raw photograph, CR2", "raw.cr2", _bytes(_cr2()),
            "a raw photograph (CR2)"),
    Awkward("raw photograph, CR3", "raw.cr3", _bytes(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"),
            "a raw photograph (CR3)"),
    Awkward("raw photograph, RAF", "raw.raf", _bytes(b"FUJIFILMCCD-RAW 0201"),
            "a raw photograph (RAF)"),
    Awkward("JPEG XL", "new.jxl", _bytes(b"\xff\x0a\xfa\x1f"), "a JPEG XL photograph"),
    Awkward("Photoshop file", "work.psd", _bytes(b"8BPS\0\1"), "a Photoshop file"),
    Awkward("video, MP4", "clip.mp4", _bytes(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42"), "a video"),
    Awkward("video of 65 MiB", "long.mov", _video, "a video"),
    Awkward("sidecar file, XMP", "raw.xmp", _bytes(b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'),
            "a sidecar file"),
    Awkward("sidecar file, AAE", "phone.aae", _bytes(b"<!DOCTYPE plist>\n<plist/>"),
            "a sidecar file"),
    Awkward("Thumbs.db", "Thumbs.db", _bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "Thumbs.db"),
    Awkward("nothing but zeros", "lost.jpg", _bytes(b"\0" * 5000), "nothing but zeros"),
    Awkward("ZIP archive named .jpg", "zip.jpg", _bytes(b"PK\x03\x04" + b"\0" * 40),
            "a ZIP archive"),
    Awkward("pipe", "pipe.jpg", os.mkfifo, "not a regular file"),
    Awkward("link to nothing", "gone.jpg", lambda path: path.symlink_to("nowhere"),
            "a link to nothing"),
    Awkward("link to itself", "self.jpg", lambda path: path.symlink_to(path.name),
            "a link to nothing"),
    Awkward("name with a line break", "new\nline.png", _picture("PNG")),
    Awkward("name with an emoji", "\U0001faa8.png", _picture("PNG")),
    Awkward("name with quotes", "quo'te\".png", _picture("PNG")),
    Awkward("name of 255 bytes", "n" * 251 + ".png", _picture("PNG")),
    Awkward("name that is not UTF-8", b"caf\xe9.png", _picture("PNG")),
)  # fmt: skip


def table() -> str:
    """Return the table of docs/reliability.md."""
    lines = ["| file | outcome |", "| --- | --- |"]
    for one in FILES:
        outcome = f"skipped: {one.reason.replace('|', ' or ')}" if one.reason else "read"
        lines.append(f"| {one.what} | {outcome} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
