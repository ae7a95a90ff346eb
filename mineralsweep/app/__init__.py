"""What a user asks for, from end to end: a sweep, or a single training."""

from mineralsweep.app.checks import suited_to_machine
from mineralsweep.app.conclude import SweepOutcome
from mineralsweep.app.sweep import HandedOver, run_sweep
from mineralsweep.app.train import TrainOutcome, train_one

__all__ = [
    "HandedOver",
    "SweepOutcome",
    "TrainOutcome",
    "run_sweep",
    "suited_to_machine",
    "train_one",
]
