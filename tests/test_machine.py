"""What the machine has, asked of stand-ins for its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from mineralsweep import machine


@pytest.fixture(autouse=True)
def _ask_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "GPUS", tmp_path / "gpus")
    machine.cpu_features.cache_clear()
    yield
    machine.cpu_features.cache_clear()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx avx2 avx512_bf16", True), ("fpu avx amx_bf16", True), ("fpu avx avx2", False)],
)
def test_bfloat16_is_known_by_the_processor_s_flags(
    monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool
) -> None:
    monkeypatch.setattr(
        Path, "read_text", lambda self, encoding: f"model name : x\nflags : {flags}\n"
    )
    assert machine.has_bfloat16() is expected


def test_a_machine_that_can_t_be_asked_has_no_features(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, encoding: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert machine.cpu_features() == ()
    assert not machine.has_bfloat16()


def test_gpus_are_counted_and_hidden_ones_are_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert machine.gpus() == ()
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
    assert machine.gpus() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-1234")
    assert machine.gpus() == ("3", "GPU-1234")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert machine.gpus() == ()


def test_workers_are_one_a_gpu_else_one_a_core_that_has_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = SimpleNamespace(available=100 * machine.MEMORY_A_WORKER)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(machine, "cores", lambda: 8)
    assert machine.workers() == 8
    monkeypatch.setattr(machine, "cores", lambda: 64)
    assert machine.workers() == machine.MOST_WORKERS
    memory.available = int(2.5 * machine.MEMORY_A_WORKER)
    assert machine.workers() == 2
    memory.available = 1
    assert machine.workers() == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert machine.workers() == 3
