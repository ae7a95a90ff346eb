"""MLflow: the only package that writes runs, parameters, metrics and artifacts."""

from mineralsweep.tracking.store import Store, open_store
from mineralsweep.tracking.sweep_run import SweepRun
from mineralsweep.tracking.trial_run import TrialRun
from mineralsweep.tracking.writer import Writer

__all__ = ["Store", "SweepRun", "TrialRun", "Writer", "open_store"]
