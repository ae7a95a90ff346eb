"""What this machine has: processor features, GPUs, cores. Loads no TensorFlow."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

CPU_FEATURES = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
BFLOAT16_FEATURES = ("avx512_bf16", "amx_bf16")
MACHINE_ID = Path("/etc/machine-id")
GPUS = Path("/proc/driver/nvidia/gpus")
MEMORY_A_WORKER = 3 * 2**30
"""Bytes: a worker with VGG16 and its features in hand held 2.2 GiB at most, measured."""

MOST_WORKERS = 8
"""The search learns from ended trials: with more at a time it would know too few of them."""


@functools.cache
def name() -> str:
    """Return what tells this machine from others: its host name, and its id where it has one."""
    try:
        return f"{socket.gethostname()}-{MACHINE_ID.read_text(encoding='utf-8').strip()[:12]}"
    except OSError:
        return socket.gethostname()


@functools.cache
def cpu_features() -> tuple[str, ...]:
    """Return those of CPU_FEATURES that the processor names; () where it can't be asked."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return ()
    return tuple(name for name in CPU_FEATURES if name in flags)


def has_bfloat16() -> bool:
    """Say whether the processor multiplies bfloat16 matrices itself."""
    return any(name in cpu_features() for name in BFLOAT16_FEATURES)


def cores() -> int:
    """Return the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def gpus() -> tuple[str, ...]:
    """Return the numbers of the NVIDIA GPUs that this process may use, as CUDA names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip() not in ("", "-1"))
    try:
        return tuple(str(number) for number in range(len(list(GPUS.iterdir()))))
    except OSError:
        return ()


def oom_kills() -> int:
    """Return how many processes the kernel has ended for want of memory; 0 where it can't say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def workers() -> int:
    """Choose how many trials run at a time: one a GPU; else one a core, as memory allows."""
    import psutil

    found = gpus()
    if found:
        return len(found)
    fit = psutil.virtual_memory().available // MEMORY_A_WORKER
    return int(max(1, min(cores(), fit, MOST_WORKERS)))


def typed_in() -> Path:
    """Return the folder in which the user typed the command.

    `mlflow run` changes to the project's folder; for a git address, to a clone that is removed.
    """
    return _folder_of_mlflow_run() or Path.cwd()


@functools.cache
def _folder_of_mlflow_run() -> Path | None:
    import psutil

    for parent in psutil.Process().parents():
        try:
            words = parent.cmdline()
            if "run" in words and any(Path(word).stem == "mlflow" for word in words[:3]):
                return Path(parent.cwd())
        except psutil.Error:
            continue
    return None
