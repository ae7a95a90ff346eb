"""A training's state between two epochs, in one file without pickle."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep import files
from mineralsweep.core.trial import EpochReport

STATE = "state.npz"
Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """All that an epoch hands on to the next, but for random numbers, which follow from the epoch.

    Attributes:
        history: one report an epoch, from the first.
        best_epoch: the one with the lowest validation loss.
        weights: of the network, those that training changes.
        best_weights: the same ones at the best epoch.
        optimizer: its variables.
        seconds: of training so far.
        stop_reason: why the training is over before its last epoch; None: it may go on.
    """

    history: tuple[EpochReport, ...]
    best_epoch: int
    weights: Arrays
    best_weights: Arrays
    optimizer: Arrays
    seconds: float
    stop_reason: str | None = None

    @property
    def epoch(self) -> int:
        """The last epoch that was trained, from 1."""
        return self.history[-1].epoch


def exists(folder: Path) -> bool:
    """Say whether there is a checkpoint in a folder, or in one of a fold's or a voter's within."""
    return next(folder.rglob(STATE), None) is not None


def write(folder: Path, state: Checkpoint) -> None:
    """Write a checkpoint over an earlier one; a reader sees one or the other.

    Raises:
        OSError: the disk takes no more; the earlier one stays.
    """
    about = {
        "history": [asdict(report) for report in state.history],
        "best_epoch": state.best_epoch,
        "seconds": state.seconds,
        "stop_reason": state.stop_reason,
        "weights": len(state.weights),
        "best_weights": len(state.best_weights),
        "optimizer": len(state.optimizer),
    }
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        **_named("weights", state.weights),
        **_named("best_weights", state.best_weights),
        **_named("optimizer", state.optimizer),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    files.write_atomically(folder / STATE, lambda path: path.write_bytes(buffer.getbuffer()))


def read(folder: Path | None) -> Checkpoint | None:
    """Return the checkpoint in a folder; None where there is none, or it is damaged."""
    if folder is None:
        return None
    try:
        # Opened here: NumPy leaves a file open that is no archive.
        content = io.BytesIO((folder / STATE).read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            return Checkpoint(
                history=tuple(EpochReport(**one) for one in about["history"]),
                best_epoch=about["best_epoch"],
                weights=_several(arrays, "weights", about),
                best_weights=_several(arrays, "best_weights", about),
                optimizer=_several(arrays, "optimizer", about),
                seconds=about["seconds"],
                stop_reason=about["stop_reason"],
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return None


def _named(name: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {f"{name}/{place}": array for place, array in enumerate(arrays)}


def _several(arrays: Any, name: str, about: dict[str, Any]) -> list[NDArray[Any]]:
    return [arrays[f"{name}/{place}"] for place in range(about[name])]
