"""fit_trial: fit one scikit-learn estimator on its images' colour and texture."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.trial import EpochReport, Report, Say, TrialResult, TrialSpec, counts_of
from mineralsweep.descriptors import store
from mineralsweep.errors import ArchitectureError
from mineralsweep.evaluation import score
from mineralsweep.models import get as get_architecture
from mineralsweep.models.colour_texture import SVM_PARTS
from mineralsweep.serving import estimator as packaged
from mineralsweep.serving.estimator import TextureClassifier

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
    examples = spec.examples
    say("computing colour and texture")
    chosen = str(spec.hyperparameters["features"])
    numbers = store.ensure(examples.arrays, threads, chosen)
    with threadpool_limits(threads):
        model = TextureClassifier(
            _fitted(spec, numbers[list(examples.train)], threads),
            examples.classes,
            spec.image_size,
            chosen,
        )
        trained = model.answer(numbers[list(examples.train)])
        probabilities = model.answer(numbers[list(examples.validation)])
    epoch = _epoch(spec, trained, probabilities, time.monotonic() - started)
    reason = report(epoch)
    packaged.save(model, spec.folder)
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


def _fitted(spec: TrialSpec, numbers: Numbers, threads: int) -> Any:
    estimator = get_architecture(spec.architecture).build(
        (*spec.image_size, 3), len(spec.examples.classes), **spec.hyperparameters
    )
    _set_everywhere(estimator, "random_state", spec.seed)
    _set_everywhere(estimator, "n_jobs", threads, beside="n_estimators")
    _check_counts(spec)
    estimator.fit(numbers, np.asarray(spec.examples.train_labels))
    # Several threads would add up the trees' answers in the order in which they come.
    _set_everywhere(estimator, "n_jobs", None, beside="n_estimators")
    # A vote holds its members twice, once by name: in a file that would double its size.
    vars(estimator).pop("named_estimators_", None)
    return estimator


def _check_counts(spec: TrialSpec) -> None:
    """The probabilities of an SVM are fitted on held-out thirds of each class."""
    fewest = min(Counter(spec.examples.train_labels).values())
    if spec.hyperparameters["estimator"] == "svm" and fewest < SVM_PARTS:
        raise ArchitectureError(
            f"svm: needs at least {SVM_PARTS} training images a class, got {fewest}; take another"
            " estimator, or a larger share for training"
        )


def _set_everywhere(estimator: Any, name: str, value: int | None, beside: str = "") -> None:
    """Set a parameter of an estimator and of those within it that have it (and `beside`)."""
    for one in [estimator, *getattr(estimator, "estimators_", [])]:
        known = one.get_params()
        owners = [key.removesuffix(name) for key in known if key.split("__")[-1] == name]
        found = [owner + name for owner in owners if not beside or owner + beside in known]
        one.set_params(**dict.fromkeys(found, value))


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
