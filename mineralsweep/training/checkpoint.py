"""A training's state between two epochs, in one file without pickle."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from mineralsweep import files
from mineralsweep.core.trial import EpochReport, TrialSpec

Arrays = Sequence[NDArray[Any]]
HISTORY = TypeAdapter(tuple[EpochReport, ...])

STATE = "state.npz"
VERSION = 3
"""Of what a state holds; one of another version is none."""
MOST_OF_THE_TIME = 20
"""A checkpoint may take a twentieth of the training at most."""


@dataclass(frozen=True)
class Checkpoint:
    """All that an epoch hands on to the next, but for random numbers, which follow from the epoch.

    Attributes:
        history: one report an epoch, from the first.
        best_epoch: the one with the lowest validation loss; 0: what training started from.
        lowest: that loss.
        weights: of the network, those that training changes.
        best_weights: the same ones at the best epoch.
        optimizer: its variables.
        seconds: of training so far.
        stop_reason: why the training is over before its last epoch; None: it may go on.
    """

    history: tuple[EpochReport, ...]
    best_epoch: int
    lowest: float
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
        "version": VERSION,
        "history": [asdict(report) for report in state.history],
        "best_epoch": state.best_epoch,
        "lowest": state.lowest,
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
    """Return the checkpoint in a folder; None where there is none that can be read."""
    if folder is None:
        return None
    try:
        # Opened here: NumPy leaves a file open that is no archive.
        content = io.BytesIO((folder / STATE).read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            if about.get("version") != VERSION:
                return None
            return Checkpoint(
                history=HISTORY.validate_python(about["history"]),
                best_epoch=about["best_epoch"],
                lowest=about["lowest"],
                weights=_several(arrays, "weights", about),
                best_weights=_several(arrays, "best_weights", about),
                optimizer=_several(arrays, "optimizer", about),
                seconds=about["seconds"],
                stop_reason=about["stop_reason"],
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return None


def initial(spec: TrialSpec) -> Checkpoint | None:
    """Return the state that a trial goes on from: its own, else the other trial's, else None."""
    own = read(spec.checkpoint)
    if own is not None:
        return own
    others = read(spec.initial)
    # Another trial's end is not this one's.
    return None if others is None else replace(others, stop_reason=None, seconds=0.0)


class Keeper:
    """Writes checkpoints: seldom enough to cost next to nothing, often enough to be worth it.

    A state is written at the end of an epoch once `checkpoint_every` seconds have passed since the
    last one, and twenty times as long as the last one took to write.
    """

    def __init__(self, spec: TrialSpec) -> None:
        self._spec = spec
        self._last = time.monotonic()
        self._took = 0.0

    def is_due(self, over: bool) -> bool:
        """Say whether a state is to be written now; `over`: the training has ended."""
        if self._spec.checkpoint is None:
            return False
        if over:
            return self._spec.keep_last
        pause = max(self._spec.checkpoint_every, MOST_OF_THE_TIME * self._took)
        return time.monotonic() - self._last >= pause

    def keep(self, state: Checkpoint) -> None:
        """Write a state.

        Raises:
            OSError: the disk takes no more.
        """
        assert self._spec.checkpoint is not None
        started = time.monotonic()
        write(self._spec.checkpoint, state)
        self._last = time.monotonic()
        self._took = self._last - started


def _named(name: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {f"{name}/{place}": array for place, array in enumerate(arrays)}


def _several(arrays: Any, name: str, about: dict[str, Any]) -> list[NDArray[Any]]:
    return [arrays[f"{name}/{place}"] for place in range(about[name])]
