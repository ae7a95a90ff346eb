"""Fitting one scikit-learn estimator: seeded, on so many threads, the same on any number."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.trial import TrialSpec
from mineralsweep.errors import ArchitectureError
from mineralsweep.models import get as get_architecture
from mineralsweep.models.colour_texture import SVM_PARTS


def fitted(spec: TrialSpec, numbers: NDArray[Any], threads: int) -> Any:
    """Return `spec`'s estimator, fitted on its training images.

    Args:
        spec: what to fit on what.
        numbers: (training images, columns), in the order of their labels.
        threads: compute at a time.

    Raises:
        InputError: the architecture can't be built as asked.
    """
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
    chosen = spec.hyperparameters.get("estimator") or spec.hyperparameters.get("classifier")
    if chosen == "svm" and fewest < SVM_PARTS:
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
