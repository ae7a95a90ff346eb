"""The records of a study that is only read: for another one to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mineralsweep.config import Space
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord
from mineralsweep.errors import ConfigError
from mineralsweep.models import get as get_architecture

KERAS_TUNER_FILE = "keras-tuner.json"


def records_of(study: str, folder: Path, storage: str | None) -> list[TrialRecord]:
    """Return the ended trials of a study, by number, whatever its question was.

    Args:
        study: its name.
        folder: the study's own.
        storage: the URL of the engine's database; None: a file in the folder.

    Raises:
        ConfigError: there is no such study, or it can't be read.
    """
    try:
        if (folder / KERAS_TUNER_FILE).exists():
            from mineralsweep.engines import keras_tuner

            return keras_tuner.stored_records(folder)
        from mineralsweep.engines import optuna

        return optuna.stored_records(study, folder, storage)
    except (ConfigError, OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"--warm-start: study '{study}' can't be read: {error}") from error


def suited(
    records: Sequence[TrialRecord], space: Space, objective: str, costs: Sequence[str] = ()
) -> tuple[list[TrialRecord], dict[int, str]]:
    """Divide another study's complete trials into those that a space holds, and the others.

    Returns:
        The records, their values those of `objective`; and why others don't fit, by number.
    """
    fitting, others = [], {}
    for record in records:
        if record.state != "COMPLETE" or record.value_of(objective) is None:
            continue
        unknown = [name for name in costs if name not in record.measures]
        reason = f"its {unknown[0]} is not known" if unknown else _misfit(record.params, space)
        if reason is None:
            fitting.append(replace(record, value=record.value_of(objective)))
        else:
            others[record.number] = reason
    return fitting, others


def _misfit(params: Params, space: Space) -> str | None:
    entries = space.entries()
    architecture = str(params["architecture"])
    for name, value in params.items():
        if name not in entries:
            return f"the space has no {name}"
        if not entries[name].holds(value):
            return f"{name} {value} is not in the space"
    for name in entries:
        if (
            name != "architecture"
            and name not in params
            and get_architecture(architecture).has(name)
        ):
            return f"it had no {name}"
    return None
