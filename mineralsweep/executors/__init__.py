"""Executors, by name."""

from __future__ import annotations

from collections.abc import Callable

from mineralsweep.executors.executor import (
    Doing,
    Epoch,
    Event,
    Executor,
    Failed,
    Fault,
    Finished,
    FoldEnded,
    Slots,
)
from mineralsweep.executors.folded import FoldedExecutor
from mineralsweep.executors.local import LocalExecutor
from mineralsweep.executors.measuring import MeasuringExecutor
from mineralsweep.executors.ray import RayExecutor

EXECUTORS: dict[str, Callable[..., Executor]] = {"local": LocalExecutor, "ray": RayExecutor}

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
    "MeasuringExecutor",
    "RayExecutor",
    "Slots",
]
