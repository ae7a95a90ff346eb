"""MLflow: the only package that writes runs, parameters, metrics and artifacts."""

from mineralsweep.tracking.store import Store, open_store
from mineralsweep.tracking.sweep_run import SweepRun
from mineralsweep.tracking.trial_run import TrialRun

__all__ = ["Store", "SweepRun", "TrialRun", "open_store"]
