"""mineralsweep cache"""

from __future__ import annotations

import shutil
import time
from argparse import Namespace
from pathlib import Path

from mineralsweep import files
from mineralsweep.activations import store
from mineralsweep.activations.store import StoredFeatures

KINDS = {
    "features": "what frozen trunks answered",
    "arrays": "decoded images",
    "texture": "colour and texture of images",
    "verdicts": "which files can be read",
    "sample": "the drawn minerals",
}


def run(options: Namespace) -> int:
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
            _show_features()
    print("Next: mineralsweep cache --clear, or make room: " + store.CAP_VARIABLE + "=GIB")
    return 0


def _show_features() -> None:
    """Print a line a group of views, the longest unused first: the first to go."""
    groups: dict[str, list[StoredFeatures]] = {}
    for one in store.stored():
        key = one.key
        size = Path(str(key["images"])).stem.split("-")[1]
        name = (
            f"unfrozen {key['cut']}, {size}, augmentation {key['strength']:g}, {key['precision']}"
        )
        groups.setdefault(name, []).append(one)
    for name, entries in groups.items():
        days = (time.time() - max(one.used for one in entries)) / 86_400
        print(
            f"    {_mib(sum(one.size for one in entries)):>10}  {name}: {len(entries)} arrays,"
            f" used {days:.1f} days ago"
        )
    print(f"    at most {store.cap() / 2**30:g} GiB; the longest unused go first")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
