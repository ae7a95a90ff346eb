"""How an attempt at a trial ended, as files without pickle."""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from mineralsweep import files
from mineralsweep.core.record import State
from mineralsweep.core.trial import EpochReport, FoldResult, TrialResult
from mineralsweep.training.folds import Predicted

ARRAYS = "result.npz"


@dataclass(frozen=True)
class Best:
    """The sweep's best value after so many ended trials."""

    ended: int
    value: float
    metric: str


@dataclass(frozen=True)
class End:
    """An attempt's end.

    Attributes:
        state: COMPLETE, PRUNED or FAILED.
        reason: why; "" for a trial that ran to its last epoch.
        time: ms since 1970.
        record: what the engine is told, as plain data; None where the trial is tried again.
        best: of the sweep with this trial; None where there is none.
        log: what the worker printed last, of a failed trial.
        result: of the training, None for a failed trial.
        predicted: the images that `result.probabilities` answers for; None for a failed trial.
    """

    state: State
    reason: str
    time: int
    record: dict[str, Any] | None = None
    best: Best | None = None
    log: str = ""
    result: TrialResult | None = None
    predicted: Predicted | None = None

    def write(self, folder: Path, name: str) -> None:
        """Write it to `folder`; the file `name` comes last, and stands for a whole end."""
        data = {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "best": None if self.best is None else asdict(self.best),
            "predicted": None if self.predicted is None else asdict(self.predicted),
            "result": None if self.result is None else _plain(self.result),
        }
        if self.result is not None:
            buffer = io.BytesIO()
            np.savez(buffer, probabilities=self.result.probabilities)
            _write_through(folder / ARRAYS, buffer.getvalue())
        _write_through(folder / name, json.dumps(data).encode())

    @classmethod
    def read(cls, folder: Path, name: str, network: Path) -> Self:
        """Read what `write` wrote.

        Args:
            folder: written by `write`.
            name: of the file that stands for the end.
            network: becomes the result's folder.

        Raises:
            OSError: the files are not there.
        """
        data = json.loads((folder / name).read_text())
        if data["best"] is not None:
            data["best"] = Best(**data["best"])
        if data["predicted"] is not None:
            data["predicted"] = Predicted(**_tuples(data["predicted"]))
        if data["result"] is not None:
            with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                probabilities = arrays["probabilities"]
            data["result"] = _result(data["result"], probabilities, network)
        return cls(**data)


def _plain(result: TrialResult) -> dict[str, Any]:
    plain = {
        field.name: getattr(result, field.name)
        for field in fields(result)
        if field.name not in ("probabilities", "folder")
    }
    return {
        **plain,
        "history": [asdict(report) for report in result.history],
        "folds": [asdict(fold) for fold in result.folds],
    }


def _result(plain: dict[str, Any], probabilities: Any, network: Path) -> TrialResult:
    folds = (
        FoldResult(
            **{
                **one,
                "history": _history(one["history"]),
                "confusion": _counts(one["confusion"]),
            }
        )
        for one in plain["folds"]
    )
    known = _tuples(plain) | {"history": _history(plain["history"]), "folds": tuple(folds)}
    return TrialResult(**known, probabilities=probabilities, folder=network)


def _history(plain: list[dict[str, Any]]) -> tuple[EpochReport, ...]:
    return tuple(
        EpochReport(**{**one, "val_confusion": _counts(one["val_confusion"])}) for one in plain
    )


def _counts(rows: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _tuples(plain: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists for tuples."""
    return {key: tuple(one) if isinstance(one, list) else one for key, one in plain.items()}


def _write_through(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, also after a power cut."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    files.write_atomically(path, write)
