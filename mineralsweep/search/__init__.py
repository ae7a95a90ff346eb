"""The search: an engine asks, an executor runs, an outbox keeps, a courier delivers."""

from mineralsweep.search.listener import Listener
from mineralsweep.search.lock import study_locked
from mineralsweep.search.recovery import recover
from mineralsweep.search.state import State, folder_of, home
from mineralsweep.search.study import Study
from mineralsweep.search.task import Task, examples

__all__ = [
    "Listener",
    "State",
    "Study",
    "Task",
    "examples",
    "folder_of",
    "home",
    "recover",
    "study_locked",
]
