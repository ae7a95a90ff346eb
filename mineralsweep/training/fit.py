"""fit_trial: fit scikit-learn's estimators on what is computed from images, in one epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.trial import EpochReport, Report, Say, TrialResult, TrialSpec, counts_of
from mineralsweep.descriptors import store
from mineralsweep.evaluation import score
from mineralsweep.models import get as get_architecture
from mineralsweep.serving import estimator as packaged
from mineralsweep.serving import probe as packaged_probe
from mineralsweep.serving.estimator import TextureClassifier
from mineralsweep.training.estimators import fitted
from mineralsweep.training.probe import fit as fit_probe

Numbers = NDArray[np.float32]


def fit_trial(
    spec: TrialSpec, report: Report, say: Say = lambda words: None, threads: int = 1
) -> TrialResult:
    """Fit `spec`'s estimator and write it to `spec.folder`.

    The same spec gives the same result on the same machine, with any number of threads. There is
    one report, after the fit.

    Args:
        spec: what to fit on what.
        report: called once; a reason to stop comes too late to save anything, and is noted.
        say: called before other work that takes a while.
        threads: compute at a time.

    Raises:
        InputError: the architecture can't be built as asked.
    """
    from threadpoolctl import threadpool_limits

    started = time.monotonic()
    with threadpool_limits(threads):
        if get_architecture(spec.architecture).searches_backbone:
            probe, trained, probabilities = fit_probe(spec, say, threads)
            save: Callable[[], None] = partial(packaged_probe.save, probe, spec.folder)
        else:
            model, trained, probabilities = _on_descriptors(spec, say, threads)
            save = partial(packaged.save, model, spec.folder)
    epoch = _epoch(spec, trained, probabilities, time.monotonic() - started)
    reason = report(epoch)
    save()
    return TrialResult(
        history=(epoch,),
        best_epoch=1,
        probabilities=probabilities,
        stop_reason=reason,
        pruned=reason is not None,
        parameters=None,
        trainable=None,
        flops=None,
        precision="float64",
        folder=spec.folder,
        seconds=time.monotonic() - started,
    )


def _on_descriptors(
    spec: TrialSpec, say: Say, threads: int
) -> tuple[TextureClassifier, Numbers, Numbers]:
    """Return what is fitted, and its answers to the training and the validation images."""
    examples, chosen = spec.examples, str(spec.hyperparameters["features"])
    say("computing colour and texture")
    numbers = store.ensure(examples.arrays, threads, chosen)
    train = numbers[list(examples.train)]
    estimator = fitted(spec, train, threads)
    model = TextureClassifier(estimator, examples.classes, spec.image_size, chosen)
    return model, model.answer(train), model.answer(numbers[list(examples.validation)])


def _epoch(
    spec: TrialSpec, trained: Numbers, probabilities: Numbers, seconds: float
) -> EpochReport:
    examples = spec.examples
    train = score(trained, examples.train_labels, examples.classes)
    validation = score(probabilities, examples.validation_labels, examples.classes)
    return EpochReport(
        epoch=1,
        train_loss=train.loss,
        train_accuracy=train.accuracy.value,
        val_loss=validation.loss,
        val_accuracy=validation.accuracy.value,
        learning_rate=None,
        seconds=seconds,
        val_confusion=counts_of(validation.confusion),
    )
