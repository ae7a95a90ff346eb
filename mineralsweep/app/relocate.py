"""A project that was moved: its tracking store and its studies name the folder where it is now."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mineralsweep import files
from mineralsweep.machine import typed_in
from mineralsweep.search.lock import study_locked
from mineralsweep.search.state import FILE, home
from mineralsweep.tracking.relocation import Rewritten, rewrite
from mineralsweep.tracking.store import SQLITE, tracking_uri


@dataclass(frozen=True)
class Relocated:
    """What was changed: in MLflow's database, and which studies."""

    store: Rewritten
    studies: list[str]


def relocate(old: Path, new: Path, force: bool = False) -> Relocated:
    """Rewrite paths below `old` to paths below `new`, in MLflow's database and in the studies.

    Args:
        old: the folder that a project was in; need not be there.
        new: the folder that it is in now.
        force: also where `new` lacks files of the database.

    Raises:
        InputError: the store is no SQLite file, or is in use, or `new` lacks files; nothing was
            changed. Or a study has a driver: end it, and give the command again.
    """
    old, new = (Path(os.path.normpath(typed_in() / path)) for path in (old, new))
    store = rewrite(tracking_uri(), old, new, force)
    studies = [one.parent.name for one in sorted(home().glob(f"studies/*/{FILE}"))
               if _rewritten(one, old, new)]  # fmt: skip
    return Relocated(store, studies)


def _rewritten(document: Path, old: Path, new: Path) -> bool:
    """Rewrite a study's paths; say whether there were any."""

    def moved() -> tuple[Any, bool]:
        there = json.loads(document.read_text(encoding="utf-8"))
        after = _moved(there, old, new)
        return after, after != there

    try:
        if not moved()[1]:
            return False
    except (OSError, ValueError):
        return False  # whoever opens the study is told
    with study_locked(document.parent):  # its driver may have written since
        text = json.dumps(moved()[0], indent=1)
        files.write_atomically(document, lambda path: path.write_text(text, encoding="utf-8"))
    return True


def _moved(value: Any, old: Path, new: Path) -> Any:
    """Return plain data whose paths below `old` that are not there any more lie below `new`.

    A copied project goes on with photographs that are still where they were.
    """
    if isinstance(value, dict):
        return {key: _moved(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, old, new) for one in value]
    if not isinstance(value, str):
        return value
    path = Path(value.removeprefix(SQLITE))
    if not path.is_relative_to(old) or path.exists():
        return value
    there = new / path.relative_to(old)
    scheme = SQLITE if value.startswith(SQLITE) else ""
    return f"{scheme}{there}" if there.exists() else value
