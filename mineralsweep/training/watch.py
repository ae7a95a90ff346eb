"""What watches a training: reports, best weights, checkpoints, and when it is over."""

from __future__ import annotations

import math
import time
from typing import Any

import keras

from mineralsweep.core.trial import EpochReport, Report, TrialSpec, counts_of
from mineralsweep.errors import TrainingDiverged
from mineralsweep.training import checkpoint, weights
from mineralsweep.training.checkpoint import Arrays, Checkpoint
from mineralsweep.training.confusion import CountedAccuracy


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports each epoch, keeps the best weights and the state, and knows when to stop."""

    def __init__(
        self,
        spec: TrialSpec,
        report: Report,
        whole: keras.Model,
        state: Checkpoint | None,
        started: float,
    ) -> None:
        super().__init__()
        self._spec = spec
        self._report = report
        self._keeper = checkpoint.Keeper(spec)
        self._started = started
        self._phase_began = 0
        self._epoch_started = 0.0
        self._lowest = math.inf
        self._earlier = 0.0
        self.changing = weights.changing(whole)
        self.history: list[EpochReport] = []
        self.best_epoch = 0
        self.best_weights: Arrays = []
        self.stop_reason: str | None = None
        self.pruned = False
        if state is not None:
            self._take_up(state)

    def begin_phase(self, epoch: int, accuracy: CountedAccuracy) -> None:
        """A phase begins after an epoch: its first ones are not held against those before."""
        self._phase_began = epoch
        self._accuracy = accuracy

    def seconds(self) -> float:
        """Return how long the training has taken, earlier sessions' time included."""
        return self._earlier + time.monotonic() - self._started

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch_started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._check("training loss", float(logs["loss"]), f"step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._check("validation loss", float(logs["val_loss"]), "its end")
        report = EpochReport(
            epoch=epoch + 1,
            train_loss=float(logs["loss"]),
            train_accuracy=float(logs["accuracy"]),
            val_loss=float(logs["val_loss"]),
            val_accuracy=float(logs["val_accuracy"]),
            learning_rate=float(self.model.optimizer.learning_rate),
            seconds=time.monotonic() - self._epoch_started,
            val_confusion=counts_of(self._accuracy.confusion()),
        )
        self.history.append(report)
        if report.val_loss < self._lowest:
            self._lowest = report.val_loss
            self.best_epoch = report.epoch
            with weights.averaged(self.model):
                self.best_weights = weights.values(self.changing)
        reason = self._report(report)
        patience = self._spec.patience
        if reason is not None:
            self.stop_reason, self.pruned = reason, True
        elif (
            patience
            and report.epoch - max(self.best_epoch, self._phase_began) >= patience
            and report.epoch < self._spec.epochs
        ):
            self.stop_reason = f"no lower validation loss for {patience} epochs"
        self.model.stop_training = self.stop_reason is not None
        self._keep()

    def _take_up(self, state: Checkpoint) -> None:
        weights.assign(self.changing, state.weights)
        self.history = list(state.history)
        self.best_epoch, self.best_weights = state.best_epoch, state.best_weights
        self._lowest = min(report.val_loss for report in state.history)
        self._earlier = state.seconds
        self.stop_reason = state.stop_reason

    def _keep(self) -> None:
        over = self.stop_reason is not None or len(self.history) == self._spec.epochs
        if not self._keeper.is_due(over):
            return
        self._keeper.keep(
            Checkpoint(
                history=tuple(self.history),
                best_epoch=self.best_epoch,
                weights=weights.values(self.changing),
                best_weights=self.best_weights,
                optimizer=weights.values(self.model.optimizer.variables),
                seconds=self.seconds(),
                stop_reason=None if self.pruned else self.stop_reason,
            )
        )

    def _check(self, what: str, value: float, where: str) -> None:
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"{what} became {value} in epoch {len(self.history) + 1}, {where};"
                f" learning_rate {self._spec.learning_rate:g} may be too high"
            )
