"""run_trial: train one network, keep its best weights, answer with what happened."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mineralsweep.data import arrays
from mineralsweep.errors import TrainingDiverged
from mineralsweep.models import get as get_architecture
from mineralsweep.packaging import network
from mineralsweep.training import flops
from mineralsweep.training.spec import EpochReport, Report, TrialResult, TrialSpec


def run_trial(spec: TrialSpec, report: Report) -> TrialResult:
    """Train `spec`'s network and write it to `spec.folder`.

    The same spec gives the same result on the same machine with the same number of threads. The
    weights kept are those of the epoch with the lowest validation loss.

    Args:
        spec: what to train on what.
        report: called after each epoch; a reason stops the training there.

    Raises:
        TrainingDiverged: a loss is NaN or infinite.
        InputError: the architecture can't be built as asked.
    """
    started = time.monotonic()
    _make_deterministic(spec.seed)
    model = _build(spec, spec.hyperparameters)
    model.compile(
        optimizer=_optimizer(spec),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    examples = spec.examples
    pixels = arrays.load(examples.arrays)
    validation_images = pixels[list(examples.validation)]
    validation_labels = np.asarray(examples.validation_labels)
    watch = _Watch(spec, report)
    model.fit(
        pixels[list(examples.train)],
        np.asarray(examples.train_labels),
        batch_size=spec.batch_size,
        epochs=spec.epochs,
        validation_data=(validation_images, validation_labels),
        callbacks=[watch],
        verbose=0,
    )
    model.set_weights(watch.best_weights)
    served = _without_augmentation(spec, model)
    network.save(served, examples.classes, spec.folder)
    return TrialResult(
        history=tuple(watch.history),
        best_epoch=watch.best_epoch,
        probabilities=served.predict(validation_images, batch_size=spec.batch_size, verbose=0),
        stop_reason=watch.stop_reason,
        pruned=watch.pruned,
        parameters=model.count_params(),
        trainable=int(sum(math.prod(weight.shape) for weight in model.trainable_weights)),
        flops=flops.count(model),
        folder=spec.folder,
        seconds=time.monotonic() - started,
    )


def _make_deterministic(seed: int) -> None:
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _build(spec: TrialSpec, hyperparameters: Any) -> keras.Model:
    return get_architecture(spec.architecture).build(
        (*spec.image_size, 3), len(spec.examples.classes), **hyperparameters
    )


def _without_augmentation(spec: TrialSpec, trained: keras.Model) -> keras.Model:
    """Augmentation acts in training alone: what is saved has Keras' own layers only."""
    changes = {
        name: value
        for name, value in (("augmentation", 0.0), ("weights", "none"))
        if name in spec.hyperparameters
    }
    plain = _build(spec, {**spec.hyperparameters, **changes})
    plain.set_weights(trained.get_weights())
    return plain


def _optimizer(spec: TrialSpec) -> keras.optimizers.Optimizer:
    rate: Any = spec.learning_rate
    if spec.decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(
            rate, decay_steps=1, decay_rate=spec.decay
        )
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return kinds[spec.optimizer](learning_rate=rate)


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports each epoch, keeps the best weights, and knows when to stop."""

    def __init__(self, spec: TrialSpec, report: Report) -> None:
        super().__init__()
        self._spec = spec
        self._report = report
        self._epoch_started = 0.0
        self._lowest = math.inf
        self.history: list[EpochReport] = []
        self.best_epoch = 0
        self.best_weights: list[Any] = []
        self.stop_reason: str | None = None
        self.pruned = False

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
        )
        self.history.append(report)
        if report.val_loss < self._lowest:
            self._lowest = report.val_loss
            self.best_epoch = report.epoch
            self.best_weights = self.model.get_weights()
        reason = self._report(report)
        patience = self._spec.patience
        if reason is not None:
            self.stop_reason, self.pruned = reason, True
        elif (
            patience
            and report.epoch - self.best_epoch >= patience
            and epoch + 1 < self._spec.epochs
        ):
            self.stop_reason = f"no lower validation loss for {patience} epochs"
        self.model.stop_training = self.stop_reason is not None

    def _check(self, what: str, value: float, where: str) -> None:
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"{what} became {value} in epoch {len(self.history) + 1}, {where};"
                f" learning_rate {self._spec.learning_rate:g} may be too high"
            )
