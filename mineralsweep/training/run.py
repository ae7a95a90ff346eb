"""run_trial: train one network, keep its best weights, answer with what happened."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mineralsweep import machine
from mineralsweep.activations.store import NoRoomForFeatures
from mineralsweep.core.trial import EpochReport, Report, Say, TrialResult, TrialSpec
from mineralsweep.errors import TrainingDiverged
from mineralsweep.models import get as get_architecture
from mineralsweep.serving import network
from mineralsweep.training import averaging, flops, keeping, phases, recipe
from mineralsweep.training.batches import EpochTold
from mineralsweep.training.checkpoint import Arrays, Checkpoint
from mineralsweep.training.fit import fit_trial
from mineralsweep.training.phases import Phase
from mineralsweep.training.precision import choose, used
from mineralsweep.training.vote import run_vote


def run_trial(spec: TrialSpec, report: Report, say: Say = lambda words: None) -> TrialResult:
    """Train `spec`'s network and write it to `spec.folder`.

    The same spec gives the same result on the same machine with the same number of threads, also
    when the training was stopped after an epoch and goes on from its checkpoint. The weights kept
    are those of the epoch with the lowest validation loss.

    Args:
        spec: what to train on what.
        report: called after each epoch; a reason stops the training there.
        say: called before other work that takes a while.

    Raises:
        TrainingDiverged: a loss is NaN or infinite.
        InputError: the architecture can't be built as asked.
    """
    architecture = get_architecture(spec.architecture)
    if architecture.voters:
        return run_vote(spec, report, say, run_trial)
    if architecture.kind == "estimator":
        threads = tf.config.threading.get_intra_op_parallelism_threads() or machine.cores()
        return fit_trial(spec, report, say, threads)
    started = time.monotonic()
    precision = choose(spec.precision, architecture.gains_from_bfloat16)
    whole, stretches = _prepare(spec, precision, say)
    state = keeping.taken_up(spec)
    watch = _Watch(spec, report, whole, state, started)
    _fit(spec, stretches, watch, state)
    keeping.assign(watch.changing, watch.best_weights)
    served = _served(spec, whole)
    network.save(served, spec.examples.classes, spec.folder, spec.recipe.flips)
    # Where only a part was trained, that part answers: the trunk has its answers ready.
    last = stretches[-1]
    model = served if last.model is whole else last.model

    def answer(images: Any) -> Any:
        return model.predict(images, batch_size=spec.batch_size, verbose=0)

    return TrialResult(
        history=tuple(watch.history),
        best_epoch=watch.best_epoch,
        probabilities=network.over_flips(answer, last.validation, spec.recipe.flips),
        stop_reason=watch.stop_reason,
        pruned=watch.pruned,
        parameters=whole.count_params(),
        trainable=int(sum(math.prod(weight.shape) for weight in whole.trainable_weights)),
        flops=flops.count(served),
        precision=precision,
        folder=spec.folder,
        seconds=watch.seconds(),
    )


def _prepare(spec: TrialSpec, precision: str, say: Say) -> tuple[keras.Model, list[Phase]]:
    """Build the network and what of it is to be trained on what."""
    if phases.uses_features(spec):
        _make_deterministic(spec.seed)
        with used(precision):
            whole = _build(spec, {**spec.hyperparameters, "augmentation": 0.0})
            try:
                return whole, phases.from_features(spec, whole, precision, say)
            except NoRoomForFeatures as error:
                phases.say_why_not(error)
    _make_deterministic(spec.seed)
    with used(precision):
        whole = _build(spec, spec.hyperparameters)
    return whole, phases.from_pixels(spec, whole)


def _fit(spec: TrialSpec, stretches: list[Phase], watch: _Watch, state: Checkpoint | None) -> None:
    """Train phase by phase; with a state, from the epoch after it."""
    labels = recipe.validation_labels(spec)
    done = 0
    steps = -(-len(spec.examples.train) // spec.batch_size)
    trained = state.epoch if state else 0
    for phase in stretches:
        if trained >= phase.until or watch.stop_reason is not None:
            done = phase.until
            continue
        phase.model.compile(
            optimizer=recipe.optimizer(spec, phase.learning_rate, phase.until - done, steps),
            loss=recipe.loss(spec.recipe),
            metrics=["accuracy"],
        )
        _make_variables(phase.model, labels, len(spec.examples.classes))
        watch.begin_phase(done)
        if state is not None and trained > done:
            keeping.take_up_optimizer(phase.model, state)
        phase.model.fit(
            phase.batches,
            shuffle=False,  # they are, by themselves
            initial_epoch=max(done, trained),
            epochs=phase.until,
            validation_data=(phase.validation, labels),
            validation_batch_size=spec.batch_size,
            callbacks=[
                EpochTold(phase.batches),
                keeping.Reseed(spec.seed),
                averaging.ValidateAveraged(),
                watch,
            ],
            verbose=0,
        )
        done = phase.until


def _make_variables(model: keras.Model, labels: Any, classes: int) -> None:
    """Make the optimizer's and the metrics' variables.

    Keras makes them within the first step, which TensorFlow then traces a second time: seconds a
    trial.
    """
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(None, labels[:1], np.full((1, classes), 1 / classes, np.float32))
    model.reset_metrics()


def _make_deterministic(seed: int) -> None:
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _build(spec: TrialSpec, hyperparameters: Any) -> keras.Model:
    return get_architecture(spec.architecture).build(
        (*spec.image_size, 3), len(spec.examples.classes), **hyperparameters
    )


def _served(spec: TrialSpec, trained: keras.Model) -> keras.Model:
    """Return the network as it is saved: in float32, which every machine runs well.

    Augmentation acts in training alone: what is saved has Keras' own layers only.
    """
    changes = {
        name: value
        for name, value in (("augmentation", 0.0), ("weights", "none"))
        if name in spec.hyperparameters
    }
    with used("float32"):
        plain = _build(spec, {**spec.hyperparameters, **changes})
    plain.set_weights(trained.get_weights())
    return plain


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
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
        self._keeper = keeping.Keeper(spec)
        self._started = started
        self._phase_began = 0
        self._epoch_started = 0.0
        self._lowest = math.inf
        self._earlier = 0.0
        self.changing = keeping.changing(whole)
        self.history: list[EpochReport] = []
        self.best_epoch = 0
        self.best_weights: Arrays = []
        self.stop_reason: str | None = None
        self.pruned = False
        if state is not None:
            self._take_up(state)

    def begin_phase(self, epoch: int) -> None:
        """A phase begins after an epoch: its first ones are not held against those before."""
        self._phase_began = epoch

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
        )
        self.history.append(report)
        if report.val_loss < self._lowest:
            self._lowest = report.val_loss
            self.best_epoch = report.epoch
            with averaging.averaged(self.model):
                self.best_weights = keeping.values(self.changing)
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
        keeping.assign(self.changing, state.weights)
        self.history = list(state.history)
        self.best_epoch, self.best_weights = state.best_epoch, state.best_weights
        self._lowest = min(report.val_loss for report in state.history)
        self._earlier = state.seconds
        self.stop_reason = state.stop_reason

    def _keep(self) -> None:
        over = self.stop_reason is not None or len(self.history) == self._spec.epochs
        if not self._keeper.is_due(over):
            return
        self._keeper.write(
            Checkpoint(
                history=tuple(self.history),
                best_epoch=self.best_epoch,
                weights=keeping.values(self.changing),
                best_weights=self.best_weights,
                optimizer=keeping.values(self.model.optimizer.variables),
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
