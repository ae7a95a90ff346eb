"""What a user asks for, from end to end: a sweep, or a single training."""

from mineralsweep.pipeline.sweep import SweepOutcome, run_sweep
from mineralsweep.pipeline.train import TrainOutcome, train_one

__all__ = ["SweepOutcome", "TrainOutcome", "run_sweep", "train_one"]
