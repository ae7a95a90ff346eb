"""What watches a training: reports, best weights, checkpoints, and when it is over."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mineralsweep.core.objective import Confusion
from mineralsweep.core.trial import EpochReport, Report, TrialSpec, counts_of
from mineralsweep.errors import TrainingDiverged
from mineralsweep.training import checkpoint
from mineralsweep.training.checkpoint import Arrays, Checkpoint


def changing(model: keras.Model) -> list[Any]:
    """Return the weights that training changes, moving statistics included.

    All but those of frozen layers, which stay as they were built; within a trunk that is partly
    frozen too.
    """
    frozen = {
        id(weight) for layer in _layers(model) if not layer.trainable for weight in layer.weights
    }
    return [weight for weight in model.weights if id(weight) not in frozen]


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Give the layers of a model, and of the models within it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def values(variables: Sequence[Any]) -> list[Any]:
    """Return copies of what variables hold."""
    return [variable.numpy() for variable in variables]


def assign(variables: Sequence[Any], given: Arrays) -> None:
    """Put values into variables.

    Raises:
        ValueError: there is another number of them, or one has another shape.
    """
    for variable, value in zip(variables, given, strict=True):
        variable.assign(value)


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Let `model` have its averaged weights inside; its own come back afterwards, to the bit.

    The average lies in the optimizer, and so in what is saved of it. An optimizer without one
    changes nothing.
    """
    if not model.optimizer.use_ema:
        yield
        return
    own = values(model.trainable_variables)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        assign(model.trainable_variables, own)


class ValidateAveraged(keras.callbacks.Callback):  # type: ignore[misc]
    """Validates a network with its averaged weights."""

    def __init__(self) -> None:
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs: Any = None) -> None:
        self._swap.enter_context(averaged(self.model))

    def on_test_end(self, logs: Any = None) -> None:
        self._swap.close()


class CountedAccuracy(keras.metrics.Metric):  # type: ignore[misc]
    """Keras' accuracy, to the bit, that keeps its counts: the images of each pair of classes."""

    def __init__(self, classes: int) -> None:
        super().__init__(name="accuracy", dtype="float32")
        self._classes = classes
        self._counts = self.add_variable((classes, classes), "zeros", name="counts")

    def update_state(self, labels: Any, probabilities: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            labels: class numbers (n,) or (n, 1), or a share for each class (n, classes).
            probabilities: float (n, classes).
            sample_weight: not used.
        """
        if len(labels.shape) == 2 and labels.shape[1] == self._classes:
            labels = ops.argmax(labels, axis=1)
        true = ops.one_hot(ops.reshape(labels, (-1,)), self._classes, dtype="float32")
        predicted = ops.one_hot(ops.argmax(probabilities, axis=1), self._classes, dtype="float32")
        # Whole numbers below 2 ** 24, which float32 adds up exactly, in any order.
        self._counts.assign_add(ops.matmul(ops.transpose(true), predicted))

    def result(self) -> Any:
        """Return the share of images on the diagonal."""
        return ops.divide_no_nan(ops.trace(self._counts), ops.sum(self._counts))

    def confusion(self) -> Confusion:
        """Return what was counted since the last reset: int64 (classes, classes)."""
        return np.asarray(self._counts).astype(np.int64)


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
        self.whole = whole
        self.changing = changing(whole)
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

    def begin_at(self, loss: float) -> None:
        """Hold every epoch against the weights that training starts from, with their loss."""
        if math.isfinite(loss):
            self._lowest, self.best_weights = loss, values(self.changing)

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
        if self._is_best(report):
            self._lowest = report.val_loss
            self.best_epoch = report.epoch
            with averaged(self.model):
                self.best_weights = values(self.changing)
        reason = self._report(report)
        self.stop_reason, self.pruned = reason or self._over(report), reason is not None
        self.model.stop_training = self.stop_reason is not None
        self._keep()

    def _is_best(self, report: EpochReport) -> bool:
        kept = self._spec.kept_epoch
        return report.val_loss < self._lowest if kept is None else report.epoch == kept

    def _over(self, report: EpochReport) -> str | None:
        """Return why the training ends after an epoch, before its last one; None: it goes on."""
        kept, patience = self._spec.kept_epoch, self._spec.patience
        if kept is not None:
            return f"epoch {kept} is the one to keep" if report.epoch >= kept else None
        since = report.epoch - max(self.best_epoch, self._phase_began)
        if patience and since >= patience and report.epoch < self._spec.epochs:
            return f"no lower validation loss for {patience} epochs"
        return None

    def _take_up(self, state: Checkpoint) -> None:
        assign(self.changing, state.weights)
        self.history = list(state.history)
        self.best_epoch, self.best_weights = state.best_epoch, state.best_weights
        self._lowest = state.lowest
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
                lowest=self._lowest,
                weights=values(self.changing),
                best_weights=self.best_weights,
                optimizer=values(self.model.optimizer.variables),
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
