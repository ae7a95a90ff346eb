"""Mutated images and sweep files: refused with a reason or read, never a crash or a hang."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mineralsweep.config import load
from mineralsweep.data.decode import decode
from mineralsweep.errors import ConfigError, UnusableImage
from tests.contracts.test_project import SWEEPS
from tests.faults.catalogue import PICTURE
from tests.kinds import KINDS
from tests.pictures import encode

SECONDS_AT_MOST = 10.0
"""For one small file, on a busy machine: a hang, not a delay."""

OF_KINDS = tuple(
    content for name, (content, _) in KINDS.items() if "bits" in name or "primaries" in name
)
SEEDS = OF_KINDS + tuple(
    encode(PICTURE.convert(mode), file_format)
    for file_format, modes in {
        "JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "RGBA", "P", "1"),
        "GIF": ("P",), "WEBP": ("RGB", "RGBA"), "TIFF": ("RGB", "F", "CMYK"), "BMP": ("RGB",),
        "HEIF": ("RGB", "RGBA"), "AVIF": ("RGB",), "MPO": ("RGB",),
    }.items()
    for mode in modes
)  # fmt: skip

unlimited = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "database": None,
    "derandomize": True,
}


@st.composite
def mutated(draw: st.DrawFn, contents: tuple[bytes, ...]) -> bytes:
    """Return a good file with some bytes changed, cut out, doubled or put in."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 6))):
        # The first bytes hold sizes and tables: they are where the trouble is.
        reach = draw(st.sampled_from((64, 512, len(content))))
        place = draw(st.integers(0, min(reach, len(content))))
        length = draw(st.integers(1, 16))
        kind = draw(st.sampled_from(("change", "cut", "double", "insert", "end")))
        if kind == "change":
            content[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "cut":
            del content[place : place + length]
        elif kind == "double":
            content[place:place] = content[place : place + length]
        elif kind == "insert":
            content[place:place] = draw(st.sampled_from((b"\0" * 8, b"\xff" * 8, b"\x7f\xff")))
        else:
            del content[place:]
    return bytes(content)


@pytest.mark.slow
@given(mutated(SEEDS))
@settings(max_examples=2000, **unlimited)  # type: ignore[arg-type]
def test_the_decoder_reads_or_refuses_a_mutated_file(content: bytes) -> None:
    started = time.monotonic()
    try:
        pixels = decode(content, (32, 32))
    except UnusableImage as error:
        assert str(error)  # noqa: PT017
    else:
        assert pixels.shape == (32, 32, 3)
        assert pixels.dtype == np.uint8
    assert time.monotonic() - started < SECONDS_AT_MOST


TEXTS = tuple(path.read_bytes() for path in SWEEPS)
WORDS = (b"null", b"[]", b"{}", b"-1", b"1e999", b".nan", b"'", b"&a *a", b"true", b": ", b"\t")


@st.composite
def mutated_text(draw: st.DrawFn) -> bytes:
    """Return a sweep file in which some words are other words, and some bytes other bytes."""
    words = draw(st.sampled_from(TEXTS)).split(b" ")
    for _ in range(draw(st.integers(0, 4))):
        words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from((*WORDS, *words)))
    text = b" ".join(words)
    return draw(mutated((text,))) if draw(st.booleans()) else text


@pytest.mark.slow
@given(mutated_text())
@settings(max_examples=1000, **unlimited)  # type: ignore[arg-type]
def test_a_mutated_sweep_file_is_read_or_refused_with_its_place(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated.yaml"
        path.write_bytes(text)
        try:
            load(path)
        except ConfigError as error:
            for line in str(error).splitlines():
                assert line.startswith(str(path))


def test_the_fuzz_starts_from_files_that_are_read() -> None:
    for content in SEEDS:
        assert decode(content, (32, 32)).shape == (32, 32, 3)
    with pytest.raises(UnusableImage):
        decode(SEEDS[0][:200])
