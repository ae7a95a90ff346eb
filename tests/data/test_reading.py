"""A file becomes its bytes, or the reason why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mineralsweep.data import reading
from mineralsweep.errors import UnusableImage


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert reading.content(tmp_path / "a") == b"abc"


def test_what_can_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 3)
    (tmp_path / "large").write_bytes(b"\xff\xd8 and more")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in {
        "large": "bytes; at most",
        "link": "a link to nothing",
        "pipe": "not a regular file",
        ".": "not a regular file",
        "gone": "no such file",
        "n" * 300: "can't be read: File name too long",
    }.items():
        with pytest.raises(UnusableImage, match=reason):
            reading.content(tmp_path / name)
