"""Executors, by name."""

from __future__ import annotations

from mineralsweep.executors.executor import (
    Doing,
    Epoch,
    Event,
    Executor,
    Failed,
    Fault,
    Finished,
    FoldEnded,
)
from mineralsweep.executors.folded import FoldedExecutor
from mineralsweep.executors.local import LocalExecutor

EXECUTORS = {"local": LocalExecutor}

__all__ = [
    "EXECUTORS",
    "Doing",
    "Epoch",
    "Event",
    "Executor",
    "Failed",
    "Fault",
    "Finished",
    "FoldEnded",
    "FoldedExecutor",
    "LocalExecutor",
]
