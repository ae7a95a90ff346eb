"""Commands on what is around the package: this machine, a moved project, what is kept on disk."""

from __future__ import annotations

import platform
import shutil
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from mineralsweep import files, machine
from mineralsweep.activations import store
from mineralsweep.errors import MineralsweepError
from mineralsweep.models.backbones import BACKBONES
from mineralsweep.models.weights import imagenet_path

PACKAGES = ("mineralsweep", "mlflow", "optuna", "tensorflow", "keras", "numpy", "pandas", "pillow",
            "scikit-learn", "scipy", "matplotlib", "pydantic", "rich")  # fmt: skip
ASKED = 5
"""Requests that the tracking store's time to answer is the median of."""
GPU_SCRIPT = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')), 'found')"


def doctor(options: Namespace) -> int:
    """Print one line a fact; exit with 1 where something is in the way of a sweep."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", lambda: f"{platform.python_version()} at {sys.executable}"),
        ("system", platform.platform),
        *((name, lambda name=name: metadata.version(name)) for name in PACKAGES),
        ("cpu", _cpu),
        ("memory", _memory),
        ("gpu", _gpu),
        ("tracking", _tracking),
        *([("writes", _writes)] if options.store else []),
        ("artifacts", _artifacts),
        ("weights", _weights),
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
    print("All is well. Next: mineralsweep sweep quick" if healthy
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
    taken = []
    for _ in range(ASKED):
        started = time.perf_counter()
        store.client.get_experiment(store.experiment_id)
        taken.append(time.perf_counter() - started)
    return (
        f"{store.shown_uri} answers in {statistics.median(taken) * 1000:.0f} ms; experiment"
        f" '{store.experiment}'"
    )


def _writes() -> str:
    from mlflow.exceptions import MlflowException

    from mineralsweep.tracking import open_store
    from mineralsweep.tracking.rate import WRITES_A_TRIAL, writes_a_second

    try:
        found = writes_a_second(open_store())
    except MlflowException as error:
        raise OSError(f"the tracking store takes no writes: {error}") from error
    return (
        f"{found:.0f} a second; a trial is about {WRITES_A_TRIAL}, so it takes"
        f" {found / WRITES_A_TRIAL:.1f} trials a second"
    )


def _artifacts() -> str:
    from mineralsweep.tracking import open_store
    from mineralsweep.tracking.locations import examine

    return examine(open_store())


def _weights() -> str:
    here = {name: imagenet_path(one).is_file() for name, one in BACKBONES.items()}
    lacking = [
        f"{one.file} ({name})" for name, one in BACKBONES.items() if not (here[name] or one.package)
    ]
    missing = [one.package for name, one in BACKBONES.items() if one.package and not here[name]]
    if missing:
        names = ", ".join(missing).replace("_", "-")
        raise OSError(f"{names}: is not installed; pip install {names}")
    told = f"cached: {', '.join(name for name, there in here.items() if there) or 'none'}"
    if not lacking:
        return told
    folder = imagenet_path(BACKBONES["vgg16"]).parent
    return f"{told}; not cached: {', '.join(lacking)}: downloaded when used, or put into {folder}"


def _cache() -> str:
    folder = files.folder()
    folder.mkdir(parents=True, exist_ok=True)
    return f"{folder}, {_mib(files.size(folder))}"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    if free < 2**30:
        raise OSError(f"{free / 2**30:.1f} GiB free here; a sweep may need more")
    return f"{free / 2**30:.0f} GiB free here"


def relocate(options: Namespace) -> int:
    """Have MLflow and the studies look for their files where a moved project is now."""
    from mineralsweep.app.relocate import relocate

    done = relocate(Path(options.old), Path(options.new), options.force)
    store = done.store
    rows = ", ".join(f"{what} {count}" for what, count in store.rows.items())
    print(f"{store.database}: {'relocated: ' + rows if rows else 'nothing to relocate'}")
    for study in done.studies:
        print(f"Study {study}: relocated too")
    if store.backup:
        print(f"As it was before: {store.backup}")
    print("Next: mineralsweep verify")
    return 0


KINDS = {
    "activations": "of frozen networks",
    "features": "of earlier releases: not used any more",
    "arrays": "decoded images",
    "texture": "colour and texture of images",
    "groups": "which images are near-duplicates",
    "verdicts": "which files can be read",
    "sample": "the drawn minerals",
    "sent": "what drivers of a cluster sent to this machine",
}


def cache(options: Namespace) -> int:
    """Show what the cache holds, or clear it."""
    folder = files.folder()
    if options.clear:
        freed = files.size(folder)
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Cleared {folder}: {_mib(freed)} freed. It is made again when it is needed.")
        return 0
    print(f"{folder}: {_mib(files.size(folder))}")
    for part in sorted(path for path in folder.glob("*") if not path.name.startswith(".")):
        what = KINDS.get(part.stem.split("-")[0], "")
        print(f"  {part.name:16} {_mib(files.size(part)):>12}  {what}".rstrip())
        if part == store.folder():
            _show_activations()
    print("Next: mineralsweep cache --clear, or make room: " + store.CAP_VARIABLE + "=GIB")
    return 0


def _show_activations() -> None:
    """Print a line a name, the longest unused first: the first to go."""
    groups = defaultdict(list)
    for one in store.stored():
        groups[one.name].append(one)
    for name, entries in groups.items():
        days = (time.time() - max(one.used for one in entries)) / 86_400
        print(
            f"    {_mib(sum(one.size for one in entries)):>10}  {name}: {len(entries)} arrays,"
            f" used {days:.1f} days ago"
        )
    print(f"    at most {store.cap() / 2**30:g} GiB; the longest unused go first")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
