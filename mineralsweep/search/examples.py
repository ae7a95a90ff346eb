"""What the trials of a study may see of its data set."""

from __future__ import annotations

from mineralsweep.config import Sweep
from mineralsweep.core.trial import Examples, Fold
from mineralsweep.data.dataset import Dataset


def examples(
    dataset: Dataset, image_size: tuple[int, int], folds: tuple[Fold, ...] = ()
) -> Examples:
    """Return what a trial may see of a data set, at (height, width): all but the test split."""
    labels, parts = dataset.labels(), dataset.split
    train = dataset.pool() if folds else parts.train
    validation = dataset.pool() if folds else parts.validation
    return Examples(
        arrays=dataset.arrays(image_size),
        classes=dataset.classes,
        train=train,
        train_labels=tuple(labels[row] for row in train),
        validation=validation,
        validation_labels=tuple(labels[row] for row in validation),
        folds=folds,
    )


def folds_of(dataset: Dataset, sweep: Sweep) -> tuple[Fold, ...]:
    """Return the folds that every trial of a sweep has; none where `folds` is 1.

    Raises:
        DataError: a class is too small for so many folds.
    """
    if sweep.folds == 1:
        return ()
    divided = dataset.folds(sweep.folds, sweep.repeats)
    return tuple(Fold(train, validation) for train, validation in divided)
