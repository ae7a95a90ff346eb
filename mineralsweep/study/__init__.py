"""The loop of a study: an engine asks, an executor runs, an outbox keeps, a courier delivers."""

from mineralsweep.study.examples import examples, folds_of
from mineralsweep.study.listener import Listener
from mineralsweep.study.recovery import recover
from mineralsweep.study.study import Study

__all__ = ["Listener", "Study", "examples", "folds_of", "recover"]
