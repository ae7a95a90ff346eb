"""Whether a study that exists asks the same question."""

from __future__ import annotations

from collections.abc import Mapping

from mineralsweep.errors import StudyConflict


def check(study: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Hold a study's fingerprint to the one that it was begun with.

    Raises:
        StudyConflict: they differ; the message names what changed.
    """
    changes = [
        f"  {name}: was {old.get(name, 'not there')}, is {new.get(name, 'not there')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if changes:
        raise StudyConflict(
            f"study '{study}' exists and asks another question:\n"
            + "\n".join(changes)
            + "\nundo the change, or take a new name: --study NAME"
        )
