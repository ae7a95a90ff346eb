"""Sweep files: their model, and how one is read."""

from mineralsweep.config import presets
from mineralsweep.config.engine import Engine
from mineralsweep.config.entries import Choices, Entry, Range
from mineralsweep.config.load import Override, build, load, load_gate, pairs
from mineralsweep.config.sections import Budget, Data, Faults, Gate, Stop, Training
from mineralsweep.config.shipped import locate
from mineralsweep.config.space import Space
from mineralsweep.config.sweep import Sweep, caveats

__all__ = [
    "Budget", "Choices", "Data", "Engine", "Entry", "Faults", "Gate", "Override", "Range",
    "Space", "Stop", "Sweep", "Training", "build", "caveats", "load", "load_gate", "locate",
    "pairs", "presets",
]  # fmt: skip
