"""What a file is, by its first bytes: in words, for those that are no image we read."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import TiffImagePlugin

READ = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")
"""Pillow's names of what is decoded; an MPO is a JPEG with more pictures behind it."""
HEAD = 4096
"""Bytes from the beginning of a file that tell what it is."""


@dataclass(frozen=True)
class Kind:
    """What a file is. `photograph`: whether somebody may miss it; a video is missed by nobody."""

    words: str
    photograph: bool = False


RAW = "a raw photograph ({}): develop it to JPEG or TIFF first"
CR2 = Kind(RAW.format("CR2"), photograph=True)
VIDEO = "a video"
SIDECAR = "a sidecar file of another program"

STARTS = (
    (b"FUJIFILMCCD-RAW", Kind(RAW.format("RAF"), photograph=True)),
    (b"FOVb", Kind(RAW.format("X3F"), photograph=True)),
    (b"IIRO", Kind(RAW.format("ORF"), photograph=True)),
    (b"IIRS", Kind(RAW.format("ORF"), photograph=True)),
    (b"MMOR", Kind(RAW.format("ORF"), photograph=True)),
    (b"IIU\x00", Kind(RAW.format("RW2"), photograph=True)),
    (b"\x00MRM", Kind(RAW.format("MRW"), photograph=True)),
    (b"\xff\xd8", Kind("a damaged JPEG", photograph=True)),
    (b"\x89PNG", Kind("a damaged PNG", photograph=True)),
    (b"\xff\x0a", Kind("a JPEG XL photograph: save it as JPEG or PNG", photograph=True)),
    (
        b"\x00\x00\x00\x0cJXL ",
        Kind("a JPEG XL photograph: save it as JPEG or PNG", photograph=True),
    ),
    (
        b"\x00\x00\x00\x0cjP  ",
        Kind("a JPEG 2000 photograph: save it as JPEG or PNG", photograph=True),
    ),
    (b"8BPS", Kind("a Photoshop file: save it as JPEG, PNG or TIFF", photograph=True)),
    (b"gimp xcf", Kind("a GIMP file: save it as JPEG, PNG or TIFF", photograph=True)),
    (b"\x1aE\xdf\xa3", Kind(VIDEO)),
    (b"FLV\x01", Kind(VIDEO)),
    (b"\x00\x00\x01\xba", Kind(VIDEO)),
    (b"\x00\x00\x01\xb3", Kind(VIDEO)),
    (b"\x00\x05\x16\x07", Kind("a sidecar file of macOS (it begins with ._)")),
    (b"Bud1", Kind(SIDECAR)),
    (b"bplist", Kind(SIDECAR)),
    (b"\xd0\xcf\x11\xe0", Kind("an old Office file, or Windows' Thumbs.db")),
    (b"%PDF", Kind("a PDF")),
    (b"PK\x03\x04", Kind("a ZIP archive or an Office file")),
    (b"Rar!", Kind("a RAR archive")),
    (b"7z\xbc\xaf", Kind("a 7z archive")),
    (b"\x1f\x8b", Kind("a gzip archive")),
    (b"SQLite format 3", Kind("a SQLite database")),
    (b"\x93NUMPY", Kind("a NumPy array")),
)
BRANDS = (
    (("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"),
     Kind("a damaged HEIC photograph (iPhone)", photograph=True)),
    (("avif", "avis"), Kind("a damaged AVIF photograph", photograph=True)),
    (("crx ",), Kind(RAW.format("CR3"), photograph=True)),
)  # fmt: skip
"""Of an ISO media file (`ftyp`); one of another brand is a video."""

DNG_VERSION, NEW_SUBFILE_TYPE, PHOTOMETRIC, SUB_IFDS, MAKE = 50706, 254, 262, 330, 271
MOSAIC = (32803, 34892)
"""Photometric interpretations of TIFF/EP and DNG: a colour filter array, linear raw."""


def kind(head: bytes) -> Kind:
    """Say what a file is that can't be decoded.

    Args:
        head: its first HEAD bytes, or all of it.
    """
    for start, found in STARTS:
        if head.startswith(start):
            return found
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12].decode("latin-1"))
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free") or head[:4] + head[8:12] == b"RIFFAVI ":
        return Kind(VIDEO)
    if is_cr2(head):
        return CR2
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return Kind("a TIFF of a kind that is not read, or a damaged one", photograph=True)
    if head and not head.strip(b"\x00"):
        return Kind("nothing but zeros: lost when it was copied", photograph=True)
    return _of_text(head)


def is_cr2(head: bytes) -> bool:
    """Say whether it is a raw photograph of Canon's, whose preview Pillow takes for a TIFF."""
    return head[:2] == b"II" and head[8:10] == b"CR"


def _of_brand(brand: str) -> Kind:
    return next((found for brands, found in BRANDS if brand in brands), Kind(VIDEO))


def _of_text(head: bytes) -> Kind:
    try:
        text = head.decode("utf-8", "strict" if len(head) < HEAD else "ignore")
    except UnicodeDecodeError:
        return Kind("not an image of a known format", photograph=True)
    if any(ord(sign) < 32 and sign not in "\t\n\r\f" for sign in text):
        return Kind("not an image of a known format", photograph=True)
    start = text.lstrip("\ufeff \t\r\n").lower()
    if 'content="mineralsweep"' in start:
        return Kind("a page of mineralsweep's own")
    if start.startswith(("<!doctype html", "<html")):
        # A picture that could not be downloaded is kept under its name as the page that said so.
        return Kind("an HTML page: it was not downloaded as an image", photograph=True)
    if start.startswith(("http://", "https://")):
        return Kind("a web address: the image itself is needed")
    if "<svg" in start:
        return Kind("an SVG drawing")
    if "<x:xmpmeta" in start or "<plist" in start:
        return Kind(SIDECAR)
    return Kind("a text file")


PLANAR, SAMPLES, BITS = 284, 277, 258
"""TIFF's tags: planar configuration, samples a pixel, bits a sample."""
PAGES = 8
"""So many pages of a TIFF are looked at."""


def of_several(image: TiffImagePlugin.TiffImageFile) -> str | None:
    """Return what to say of a TIFF that is no single picture, or is not read right.

    Smaller copies behind the picture, as scanners and editors write them, are no more pictures.
    """
    tags, size = image.tag_v2, image.size
    planes = tags.get(PLANAR, 1) == 2 and int(tags.get(SAMPLES, 1)) > 1
    if planes and max(tags.get(BITS, (8,))) > 8:
        return "a TIFF with its 16-bit colours in planes: save it with interleaved channels"
    pages = 1
    for page in range(1, min(image.n_frames, PAGES)):
        image.seek(page)
        reduced = int(image.tag_v2.get(NEW_SUBFILE_TYPE, 0)) & 1
        pages += not reduced and image.width * image.height >= size[0] * size[1]
    image.seek(0)
    if pages > 1:
        return f"a TIFF of {image.n_frames} pages: save the one that is meant as a file of its own"
    return None


def raw_kind(image: TiffImagePlugin.TiffImageFile) -> str | None:
    """Return what to say of a raw photograph, which Pillow opens as the preview that it carries.

    A raw file is a TIFF with a colour filter array in it; its first picture is a small one.
    """
    tags = image.tag_v2
    if DNG_VERSION in tags:
        return RAW.format("DNG")
    reduced = int(tags.get(NEW_SUBFILE_TYPE, 0)) & 1
    if tags.get(PHOTOMETRIC) in MOSAIC or (reduced and SUB_IFDS in tags):
        maker = str(tags.get(MAKE, "")).strip("\x00 ").split(" ")[0].upper()
        return RAW.format({"NIKON": "NEF", "SONY": "ARW", "PENTAX": "PEF"}.get(maker, "TIFF/EP"))
    return None
