"""run_trial: train one network, keep its best weights, answer with what happened."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mineralsweep import machine
from mineralsweep.activations.store import NoRoom
from mineralsweep.core.hyperparameter import Value
from mineralsweep.core.trial import Report, Say, TrialResult, TrialSpec
from mineralsweep.models import get as get_architecture
from mineralsweep.serving import network, own_code
from mineralsweep.training import checkpoint, phases, recipe
from mineralsweep.training.batches import Reseed, turning
from mineralsweep.training.checkpoint import Checkpoint
from mineralsweep.training.fit import fit_trial
from mineralsweep.training.phases import Phase
from mineralsweep.training.recipe import choose, used
from mineralsweep.training.vote import run_vote
from mineralsweep.training.watch import CountedAccuracy, ValidateAveraged, Watch, assign


def run_trial(spec: TrialSpec, report: Report, say: Say = lambda words: None) -> TrialResult:
    """Train `spec`'s network and write it to `spec.folder`.

    The same spec gives the same result on the same machine with the same number of threads, also
    when the training was stopped after an epoch and goes on from its checkpoint. The weights kept
    are those of the epoch with the lowest validation loss, or a fitted head that no epoch betters.

    Args:
        spec: what to train on what.
        report: called after each epoch; a reason stops the training there.
        say: called before other work that takes a while.

    Raises:
        TrainingDiverged: a loss is NaN or infinite.
        InputError: the architecture can't be built as asked.
    """
    architecture = get_architecture(spec.architecture)
    if spec.voters:
        return run_vote(spec, report, say, run_trial)
    if architecture.kind == "estimator":
        threads = tf.config.threading.get_intra_op_parallelism_threads() or machine.cores()
        return fit_trial(spec, report, say, threads)
    return _train(spec, report, say)


def _train(spec: TrialSpec, report: Report, say: Say) -> TrialResult:
    """Run a trial of a network."""
    started, architecture = time.monotonic(), get_architecture(spec.architecture)
    if architecture.address:  # the user's own: told now, not once it is trained
        own_code.check(_without_augmentation(spec), architecture.source)
    precision = choose(spec.precision, architecture.gains_from_bfloat16)
    whole, stretches = _prepare(spec, precision, say)
    state = checkpoint.initial(spec)
    watch = Watch(spec, report, whole, state, started)
    _fit(spec, stretches, watch, state)
    assign(watch.changing, watch.best_weights)
    served = _without_augmentation(spec)
    served.set_weights(whole.get_weights())
    network.save(served, spec.examples.classes, spec.folder, spec.recipe.flips, architecture.source)
    last = stretches[-1]
    return TrialResult(
        history=tuple(watch.history),
        best_epoch=watch.best_epoch,
        probabilities=_answers(spec, served if last.model is whole else last.model, last),
        stop_reason=watch.stop_reason,
        pruned=watch.pruned,
        parameters=whole.count_params(),
        trainable=int(sum(math.prod(weight.shape) for weight in whole.trainable_weights)),
        flops=count_flops(served),
        precision=precision,
        folder=spec.folder,
        seconds=watch.seconds(),
    )


def _answers(spec: TrialSpec, model: keras.Model, last: Phase) -> Any:
    """Answer the validation images: float32 (images, classes).

    Where only a part was trained, `model` is that part: the trunk has its answers ready.
    """
    answers = [
        model.predict(view, batch_size=spec.batch_size, verbose=0) for view in last.validation
    ]
    return np.mean(answers, axis=0, dtype=np.float32)


def _prepare(spec: TrialSpec, precision: str, say: Say) -> tuple[keras.Model, list[Phase]]:
    """Build the network and what of it is to be trained on what."""
    if phases.keeps_activations(spec):
        _make_deterministic(spec.seed)
        with used(precision):
            whole = _build(spec, _plain(spec))
            try:
                return whole, phases.from_activations(spec, whole, precision, say)
            except NoRoom as error:
                phases.say_why_not(error)
    _make_deterministic(spec.seed)
    with used(precision):
        whole = _build(spec, spec.hyperparameters)
        return whole, phases.from_pixels(spec, whole, precision, say)


def _fit(spec: TrialSpec, stretches: list[Phase], watch: Watch, state: Checkpoint | None) -> None:
    """Train phase by phase; with a state, from the epoch after it."""
    labels, trunk = recipe.validation_labels(spec), get_architecture(spec.architecture).trunk
    of_variables = trunk and trunk.factors
    factors = of_variables(watch.whole, spec.hyperparameters) if of_variables else None
    done, classes = 0, len(spec.examples.classes)
    steps = -(-len(spec.examples.train) // spec.batch_size)
    trained = state.epoch if state else 0
    for phase in stretches:
        if trained >= phase.until or watch.stop_reason is not None:
            done = phase.until
            continue
        accuracy = CountedAccuracy(classes)
        phase.model.compile(
            optimizer=recipe.optimizer(
                spec, phase.learning_rate, phase.until - done, steps, factors
            ),
            loss=recipe.loss(spec.recipe),
            metrics=[accuracy],
        )
        _make_variables(phase.model, labels, classes)
        watch.begin_phase(done, accuracy)
        if state is not None and trained > done:
            assign(phase.model.optimizer.variables, state.optimizer)
        elif done == 0 and phases.head_is_fitted(spec):
            watch.begin_at(_loss(phase, labels, spec.batch_size))
        phase.model.fit(
            phase.batches,
            shuffle=False,  # they are, by themselves
            initial_epoch=max(done, trained),
            epochs=phase.until,
            validation_data=(phase.validation[0], labels),
            validation_batch_size=spec.batch_size,
            callbacks=[
                turning(phase.batches),
                Reseed(spec.seed),
                ValidateAveraged(),
                watch,
            ],
            verbose=0,
        )
        done = phase.until


def _loss(phase: Phase, labels: Any, batch_size: int) -> float:
    """Return the validation loss of the weights as they are."""
    found = phase.model.evaluate(
        phase.validation[0], labels, batch_size=batch_size, verbose=0, return_dict=True
    )
    return float(found["loss"])


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


def _plain(spec: TrialSpec) -> dict[str, Value | None]:
    """Return a trial's hyperparameters without augmentation, which not every network has."""
    own = dict(spec.hyperparameters)
    return {**own, "augmentation": 0.0} if "augmentation" in own else own


def _without_augmentation(spec: TrialSpec) -> keras.Model:
    """Build what is saved: in float32, which every machine runs well.

    Augmentation acts in training alone: what is saved of our networks has Keras' own layers only.
    """
    unread = {"weights": "none"} if "weights" in spec.hyperparameters else {}
    with used("float32"):
        return _build(spec, {**_plain(spec), **unread})


def count_flops(model: keras.Model) -> int:
    """Return the operations for one image: two (multiply, add) a weight used in Conv2D and Dense.

    Other layers (pooling, activations, normalisation) are a few hundredths of these and are
    left out.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += count_flops(layer)
        elif isinstance(layer, keras.layers.Conv2D):
            height, width = layer.output.shape[1:3]
            total += 2 * height * width * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            total += 2 * math.prod(layer.kernel.shape)
    return total
