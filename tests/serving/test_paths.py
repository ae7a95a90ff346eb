"""A model reads files by name only where it was told to."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mineralsweep.data import reading
from mineralsweep.errors import UnusableImage
from mineralsweep.serving.paths import READ_PATHS, content_of


@pytest.mark.parametrize("setting", [None, "", "0", "true"])
def test_no_file_is_read_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    monkeypatch.delenv(READ_PATHS, raising=False)
    if setting is not None:
        monkeypatch.setenv(READ_PATHS, setting)
    assert content_of(str(tmp_path / "a.jpg")) is None


def test_allowed_a_path_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(READ_PATHS, "1")
    (tmp_path / "a.jpg").write_bytes(b"abc")
    assert content_of(str(tmp_path / "a.jpg")) == b"abc"
    assert content_of("a.jpg") == b"abc"  # from the working directory


def test_what_names_nothing_may_be_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(READ_PATHS, "1")
    jpeg = base64.b64encode(b"\xff\xd8\xff\xe0" + b"\0" * 5000).decode()
    assert jpeg.startswith("/9j/")
    for value in (jpeg, "gone.jpg", "", "a\0b", "data:image/png;base64,AAAA"):
        assert content_of(value) is None, value[:20]


def test_a_file_that_can_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(READ_PATHS, "1")
    monkeypatch.setattr(reading, "MAX_BYTES", 3)
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8 and more")
    for value, reason in {"large.jpg": "at most", str(tmp_path): "not a regular file"}.items():
        with pytest.raises(UnusableImage, match=reason):
            content_of(value)
