"""mineralsweep doctor"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from mineralsweep import files, machine
from mineralsweep.errors import MineralsweepError
from mineralsweep.models.weights import imagenet_path

PACKAGES = ("mineralsweep", "mlflow", "optuna", "tensorflow", "keras", "numpy", "pandas", "pillow",
            "scikit-learn", "scipy", "matplotlib", "pydantic", "rich")  # fmt: skip
GPU_SCRIPT = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')), 'found')"


def run(options: Namespace) -> int:
    """Print one line a fact; exit with 1 where something is in the way of a sweep."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", lambda: f"{platform.python_version()} at {sys.executable}"),
        *((name, lambda name=name: metadata.version(name)) for name in PACKAGES),
        ("cpu", _cpu),
        ("memory", _memory),
        ("gpu", _gpu),
        ("tracking", _tracking),
        ("vgg16 weights", _weights),
        ("cache", _cache),
        ("disk", _disk),
    ]
    healthy = True
    for name, check in checks:
        try:
            mark, answer = "ok", check()
        except (
            MineralsweepError,
            metadata.PackageNotFoundError,
            OSError,
            subprocess.SubprocessError,
        ) as error:
            mark, answer, healthy = "!!", str(error), False
        print(f"{mark} {name:14} {answer}", flush=True)
    print("All is well. Next: mineralsweep sweep sweeps/quick.yaml" if healthy
          else "Mend the lines marked !! first.")  # fmt: skip
    return 0 if healthy else 1


def _cpu() -> str:
    found = ", ".join(machine.cpu_features()) or "features unknown"
    precision = "bfloat16" if machine.has_bfloat16() else "float32"
    return f"{machine.cores()} cores, {platform.machine()}; {found}; trains in {precision}"


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return f"{memory.available / 2**30:.1f} GiB free of {memory.total / 2**30:.1f}"


def _gpu() -> str:
    # In a process of its own: TensorFlow talks while it loads.
    done = subprocess.run(
        [sys.executable, "-c", GPU_SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise OSError(f"TensorFlow can't be loaded: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip()


def _tracking() -> str:
    from mineralsweep.tracking import open_store

    store = open_store()
    return f"{store.shown_uri} answers; experiment '{store.experiment}'"


def _weights() -> str:
    path = imagenet_path()
    if path.is_file():
        return f"cached: {path}"
    return f"not cached; downloaded on first use, or put the file at {path}"


def _cache() -> str:
    folder = files.folder()
    folder.mkdir(parents=True, exist_ok=True)
    return f"{folder}, {files.size(folder) / 2**20:.0f} MiB"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    if free < 2**30:
        raise OSError(f"{free / 2**30:.1f} GiB free here; a sweep may need more")
    return f"{free / 2**30:.0f} GiB free here"
