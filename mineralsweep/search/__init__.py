"""The loop of a study: an engine asks, an executor runs, an outbox keeps, a courier delivers."""

from mineralsweep.search.examples import examples, folds_of
from mineralsweep.search.listener import Listener
from mineralsweep.search.recovery import recover
from mineralsweep.search.study import Study

__all__ = ["Listener", "Study", "examples", "folds_of", "recover"]
