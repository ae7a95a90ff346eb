"""MLflow: the only package that writes runs, parameters, metrics and artifacts."""

from mineralsweep.tracking.courier import Away, Courier
from mineralsweep.tracking.outbox import Best, Change, End, Entry, Outbox, Point, now_ms
from mineralsweep.tracking.store import Store, open_store
from mineralsweep.tracking.study_run import StudyRun
from mineralsweep.tracking.system import SystemMetrics
from mineralsweep.tracking.trial_run import TrialRun

__all__ = [
    "Away",
    "Best",
    "Change",
    "Courier",
    "End",
    "Entry",
    "Outbox",
    "Point",
    "Store",
    "StudyRun",
    "SystemMetrics",
    "TrialRun",
    "now_ms",
    "open_store",
]
