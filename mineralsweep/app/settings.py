"""What a study was started with, kept in its folder so that its name is enough to go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mineralsweep import files
from mineralsweep.app.checks import study_folder
from mineralsweep.config import Override, Sweep, build
from mineralsweep.errors import ConfigError, StudyConflict, did_you_mean
from mineralsweep.urls import without_password

FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """A sweep with its flags laid over it, its file, and the engine's storage flag."""

    sweep: Sweep
    config: Path
    storage: str | None


def place(storage: str | None) -> str:
    """Name where a study's search is kept, without a password."""
    return "its folder" if storage is None else without_password(storage)


def check_place(study: str, storage: str | None) -> None:
    """Refuse to begin a study anew in another storage than the one where it lives.

    Raises:
        StudyConflict: it was begun somewhere else; the message names both.
    """
    try:
        known = json.loads((study_folder(study) / FILE).read_text()).get("place", place(storage))
    except (OSError, ValueError, AttributeError):
        return
    if known != place(storage):
        raise StudyConflict(
            f"study '{study}' is kept in {known}, not in {place(storage)}; set"
            " MINERALSWEEP_STORAGE to where it was begun (or unset it), or take a new name:"
            " --study NAME"
        )


def write(study: str, kept: Settings, storage: str | None = None) -> None:
    """Keep a study's settings, over those of an earlier start; `storage`: the one in use."""
    text = json.dumps(
        {
            "sweep": kept.sweep.model_dump(mode="json", exclude_unset=True),
            "config": str(kept.config),
            "storage": kept.storage,
            "place": place(storage),
        },
        indent=2,
    )
    files.write_atomically(study_folder(study) / FILE, lambda path: path.write_text(text))


def read(study: str, overrides: Sequence[Override] = ()) -> Settings:
    """Return a study's settings, with flags laid over them.

    Raises:
        ConfigError: there is no such study here, or its settings can't be read.
    """
    path = study_folder(study) / FILE
    try:
        kept = json.loads(path.read_text())
        return Settings(
            build(kept["sweep"], str(path), overrides), Path(kept["config"]), kept["storage"]
        )
    except FileNotFoundError:
        names = [found.parent.name for found in path.parent.parent.glob(f"*/{FILE}")]
        hint = did_you_mean(study, names) if names else "; none was begun in this folder"
        raise ConfigError(f"STUDY: no study '{study}' here{hint}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: can't be read ({error}); start the sweep with its file and --study {study}"
        ) from None
