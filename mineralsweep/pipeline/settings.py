"""What a study was started with, kept in its folder so that its name is enough to go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mineralsweep.config import Override, Sweep, build
from mineralsweep.data import cache
from mineralsweep.errors import ConfigError, did_you_mean
from mineralsweep.pipeline.checks import study_folder

FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """A sweep with its flags laid over it, its file, and the engine's storage flag."""

    sweep: Sweep
    config: Path
    storage: str | None


def write(study: str, kept: Settings) -> None:
    """Keep a study's settings, over those of an earlier start."""
    text = json.dumps(
        {
            "sweep": kept.sweep.model_dump(mode="json", exclude_unset=True),
            "config": str(kept.config),
            "storage": kept.storage,
        },
        indent=2,
    )
    cache.write_atomically(study_folder(study) / FILE, lambda path: path.write_text(text))


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
