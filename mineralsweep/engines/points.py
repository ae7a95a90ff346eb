"""An engine without a search: a list of trials, one after the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mineralsweep import files
from mineralsweep.core.record import TrialRecord
from mineralsweep.engines.engine import Proposal
from mineralsweep.errors import ConfigError

FILE = "points.json"


class PointsEngine:
    """Proposes the trials of a list; see `Engine` for the contract.

    A single training is a list of one. The records are one JSON file in the study's folder. What
    failed in an earlier session is proposed again.

    Args:
        proposals: numbered from 0. A study that goes on may have more than it was begun with.
        folder: the study's own.

    Raises:
        ConfigError: the file can't be read.
    """

    name = "points"

    def __init__(self, proposals: Sequence[Proposal], folder: Path) -> None:
        self._file = folder / FILE
        self._records = _read(self._file)
        self._left = [one for one in proposals if one.number not in self._records]

    def ask(self) -> Proposal | None:
        return self._left.pop(0) if self._left else None

    def report(self, number: int, step: int, value: float) -> str | None:
        return None

    def tell(self, record: TrialRecord) -> None:
        if record.number in self._records:
            return
        self._records[record.number] = record
        self._left = [one for one in self._left if one.number != record.number]
        text = json.dumps([one.to_dict() for one in self.records()])
        files.write_atomically(self._file, lambda path: path.write_text(text, encoding="utf-8"))

    def records(self) -> list[TrialRecord]:
        return [self._records[number] for number in sorted(self._records)]

    def learn(self, records: Sequence[TrialRecord]) -> None:
        """A list has nothing to learn."""


def _read(file: Path) -> dict[int, TrialRecord]:
    try:
        records = [
            TrialRecord.from_dict(one) for one in json.loads(file.read_text(encoding="utf-8"))
        ]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{file}: can't be read ({error}); take a new name: --study NAME"
        ) from None
    return {record.number: record for record in records if record.state != "FAILED"}
