"""Sweep files: their model, and how one is read."""

from mineralsweep.config.entries import Choices, Entry, Range
from mineralsweep.config.load import Override, build, load
from mineralsweep.config.space import OPTIMIZERS, Space
from mineralsweep.config.sweep import Budget, Data, Engine, Sweep, Training

__all__ = [
    "OPTIMIZERS", "Budget", "Choices", "Data", "Engine", "Entry", "Override", "Range", "Space",
    "Sweep", "Training", "build", "load",
]  # fmt: skip
