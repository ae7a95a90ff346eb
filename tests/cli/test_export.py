"""`mineralsweep export`: what it asks for, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mineralsweep.app.export import Exported
from mineralsweep.cli import export
from mineralsweep.cli.main import main
from mineralsweep.export import formats

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return what the exporter in place of the real one was asked for."""
    found: list[tuple[Any, ...]] = []

    def fake(uri: str | None, chosen: str, out: Path, say: Any) -> Exported:
        found.append((uri, chosen, out))
        return Exported("models:/m/1", "docker", out, out / "model", "", None)

    monkeypatch.setattr(export, "export", fake)
    return found


def test_the_formats_are_those_that_there_are() -> None:
    assert (*formats.FORMATS, "docker") == export.FORMATS


@pytest.mark.parametrize(
    ("words", "uri"),
    [
        (["--format", "docker", "out"], None),
        (["out", "--format=docker", "--model", "models:/m/1"], "models:/m/1"),
    ],
)
def test_the_champion_or_the_named_model_is_exported(
    words: list[str], uri: str | None, asked: list[tuple[Any, ...]], capsys: Printed
) -> None:
    assert main(["export", *words]) == 0
    assert asked == [(uri, "docker", Path("out"))]
    out = capsys.readouterr().out
    assert "Wrote out: Dockerfile" in out
    assert "docker build -t mineral-classifier out" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["out"], "required: --format"),
        (["--format", "onnx"], "required: OUT"),
        (["--format", "torch", "out"], "--format: must be one of onnx, litert, keras, docker"),
        (["--format", "onnx", "one", "two"], "two: unknown argument"),
        (["--format", "onnx", "out", "--without", "two"], "--without: unknown argument"),
    ],
)
def test_bad_words_are_exit_code_2(
    words: list[str], told: str, asked: list[tuple[Any, ...]], capsys: Printed
) -> None:
    try:
        code = main(["export", *words])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert told in capsys.readouterr().err
    assert asked == []
