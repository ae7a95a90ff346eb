"""Sweep files: their model, and how one is read."""

from mineralsweep.config.caveats import caveats
from mineralsweep.config.engine import Engine
from mineralsweep.config.entries import Choices, Entry, Range
from mineralsweep.config.gate import Gate
from mineralsweep.config.load import Override, build, load, load_gate
from mineralsweep.config.space import OPTIMIZERS, Space
from mineralsweep.config.stop import Stop
from mineralsweep.config.sweep import Budget, Data, Sweep, Training

__all__ = [
    "OPTIMIZERS", "Budget", "Choices", "Data", "Engine", "Entry", "Gate", "Override", "Range",
    "Space", "Stop", "Sweep", "Training", "build", "caveats", "load", "load_gate",
]  # fmt: skip
