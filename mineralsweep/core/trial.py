"""What goes into a trial and what comes out. Plain data: loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Value
from mineralsweep.core.recipe import ORIGINAL, Recipe
from mineralsweep.core.reference import readable


@dataclass(frozen=True)
class Fold:
    """One division of the pool: row numbers of the arrays, each sorted, without a common one."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


@dataclass(frozen=True)
class Examples:
    """The images that a trial may see: no word of the test split.

    `arrays` is a .npy file of uint8 (n, height, width, 3); `train` and `validation` are its row
    numbers, and the labels stand in the same order.

    With `folds`, `train` and `validation` are both the pool (all but the test split): each of its
    images is validated once in a repeat, by a network that was not trained on it. The folds of a
    repeat stand together. Of one fold, `pool` is what all of them see: what is computed for it
    serves the others too.

    `validation_groups` are equal for images of the validation part that belong together; empty:
    each is alone.
    """

    arrays: Path
    classes: tuple[str, ...]
    train: tuple[int, ...]
    train_labels: tuple[int, ...]
    validation: tuple[int, ...]
    validation_labels: tuple[int, ...]
    folds: tuple[Fold, ...] = ()
    pool: tuple[int, ...] = ()
    validation_groups: tuple[int, ...] = ()

    def folds_a_repeat(self) -> int:
        """Return how many folds the pool is divided into, 0 without folds."""
        validated = sum(len(fold.validation) for fold in self.folds)
        return len(self.folds) * len(self.validation) // validated if validated else 0

    def fold_of(self, row: int) -> int:
        """Return the fold (from 1) of the first repeat that validates a row of the pool."""
        return next(i for i, fold in enumerate(self.folds, start=1) if row in fold.validation)

    def of_fold(self, fold: Fold) -> Examples:
        """Return what one fold's training may see."""
        labels = dict(zip(self.train, self.train_labels, strict=True))
        return replace(
            self,
            train=fold.train,
            train_labels=tuple(labels[row] for row in fold.train),
            validation=fold.validation,
            validation_labels=tuple(labels[row] for row in fold.validation),
            validation_groups=(),
            folds=(),
            pool=self.train,
        )

    def whole(self) -> Examples:
        """Return what a training on all of them may see: those of the validation part too."""
        labels = dict(zip(self.train, self.train_labels, strict=True))
        labels |= dict(zip(self.validation, self.validation_labels, strict=True))
        rows = tuple(sorted(labels))
        return replace(
            self,
            train=rows,
            train_labels=tuple(labels[row] for row in rows),
            folds=(),
            pool=rows,
        )


@dataclass(frozen=True)
class TrialSpec:
    """Everything that decides a trial's result.

    Attributes:
        number: of the trial in its study, from 0.
        architecture: the reference that `models.get` finds it by in any process.
        hyperparameters: the architecture's own (dropout, augmentation, unfrozen, weights).
        learning_rate: of the first step; see `decay`. An estimator has none: it is 0, its
            epochs are 1, and `optimizer` is "".
        decay: the rate of step t is learning_rate / (1 + decay * t).
        patience: epochs without a lower validation loss before training ends; 0: never.
        image_size: (height, width) in pixels.
        precision, views, head_epochs: see `config.sweep.Training`.
        recipe: how batches, rate and weights are treated beside.
        deepest: the most parts of the trunk that any trial of the sweep unfreezes; the store of
            activations goes through that cut, whatever this trial's own.
        folder: where the trained network is written; the trial's own.
        examples: filled in once the arrays are built.
        checkpoint: a folder where the training's state is kept; it goes on from what is there.
            None: no state is kept.
        checkpoint_every: seconds of training after which the next epoch's end writes the state.
        keep_last: the state after the last epoch is written too, for another trial to go on from.
        initial: a checkpoint of another trial with the same network, from which this one goes on:
            its weights, its optimizer, its epochs. Used where `checkpoint` has nothing.
        division: of the images, as `data.dataset.Division` is named; "": the study's own.
        views_seed: of the augmented views that are kept: the same for all folds; None: `seed`.
        voters: of an architecture whose members are trained in its stead: what each is told of
            itself, its settings and how it is trained; of the rest this spec decides.
        kept_epoch: the epoch whose weights are kept, the last one that is trained; 0: the weights
            that training starts from. None: the epoch with the lowest validation loss.
    """

    number: int
    architecture: str
    hyperparameters: Mapping[str, Value | None]
    optimizer: str
    learning_rate: float
    decay: float
    batch_size: int
    epochs: int
    patience: int
    image_size: tuple[int, int]
    precision: str
    views: int
    head_epochs: int
    deepest: int
    seed: int
    folder: Path
    examples: Examples
    recipe: Recipe = ORIGINAL
    checkpoint: Path | None = None
    checkpoint_every: float = 30.0
    keep_last: bool = False
    initial: Path | None = None
    division: str = ""
    views_seed: int | None = None
    voters: tuple[TrialSpec, ...] = ()
    kept_epoch: int | None = None

    @property
    def architecture_name(self) -> str:
        """The architecture's name as records have it and people read it."""
        return readable(self.architecture)

    def params(self) -> dict[str, Value | None]:
        """Return the settings that tell trials apart, as they are shown and logged."""
        division = {"division": self.division} if self.division else {}
        if not self.optimizer:
            return {
                "architecture": self.architecture_name,
                **self.hyperparameters,
                "image_size": self._size(),
                "seed": self.seed,
                **division,
            }
        return {
            "architecture": self.architecture_name,
            "learning_rate": self.learning_rate,
            "optimizer": self.optimizer,
            **self.hyperparameters,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "patience": self.patience,
            "image_size": self._size(),
            **self.recipe.differing(),
            **self._trunk_params(),
            "seed": self.seed,
            **division,
        }

    def labels_of(self, result: TrialResult) -> tuple[int, ...]:
        """Return the labels that a result's probabilities stand for, in their order."""
        return _of_rows(self.examples.validation_labels, result)

    def groups_of(self, result: TrialResult) -> tuple[int, ...] | None:
        """Return the groups of the same images; None where each is alone."""
        groups = self.examples.validation_groups
        return _of_rows(groups, result) if groups else None

    def _size(self) -> str:
        return f"{self.image_size[0]}x{self.image_size[1]}"

    def _trunk_params(self) -> dict[str, Value | None]:
        if not any(name.startswith("unfrozen") for name in self.hyperparameters):
            return {}
        return {"views": self.views, "head_epochs": self.head_epochs}


def _of_rows(values: tuple[int, ...], result: TrialResult) -> tuple[int, ...]:
    return values if result.rows is None else tuple(values[row] for row in result.rows)


Counts = tuple[tuple[int, ...], ...]
"""A confusion as plain data: (classes, classes), rows true, columns predicted."""

SHOWN_A_FOLD = ("val_accuracy", "val_loss", "train_loss")
"""Metrics that are written for every epoch of every fold."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch, counted from 1. Losses in nats, accuracies in [0, 1].

    An estimator is fitted once: that is its only epoch, and it has no learning rate.

    Attributes:
        val_confusion: validation images by class: rows true, columns predicted; empty where it
            was not counted.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float | None
    seconds: float
    val_confusion: Counts = ()

    def value(self, objective: str) -> float:
        """Return the value of an objective on the validation images."""
        return _value(objective, self.val_accuracy, self.val_loss, self.val_confusion)

    def metrics(self, fold: int | None = None) -> dict[str, float]:
        """Return the metrics as they are logged, by name; fewer, under a fold's name, of a fold.

        MLflow shows metrics with a common start, up to the slash, as one group.
        """
        metrics = {
            "train_loss": self.train_loss,
            "train_accuracy": self.train_accuracy,
            "val_loss": self.val_loss,
            "val_accuracy": self.val_accuracy,
            "learning_rate": self.learning_rate,
            "epoch_seconds": self.seconds,
            **objectives.metrics_of(self.val_confusion),
        }
        if fold is None:
            return {name: value for name, value in metrics.items() if value is not None}
        return {f"{name}/fold_{fold}": getattr(self, name) for name in SHOWN_A_FOLD}


Report = Callable[[EpochReport], str | None]
"""Called after each epoch; answers None to go on, or the reason to stop."""


Say = Callable[[str], None]
"""Called before work that takes a while and is no epoch, with a few words on it."""


@dataclass(frozen=True)
class FoldResult:
    """One fold's training, ended.

    Attributes:
        fold: from 1, counted through all repeats.
        accuracy: on the fold's validation images, in [0, 1], of the kept weights.
        loss: on the same, in nats.
        n: the fold's validation images.
        history: one report an epoch.
        best_epoch: whose weights are kept.
        seconds: wall time.
        confusion: of its validation images, as in `EpochReport`.
    """

    fold: int
    accuracy: float
    loss: float
    n: int
    history: tuple[EpochReport, ...]
    best_epoch: int
    seconds: float
    confusion: Counts = ()

    def value(self, objective: str) -> float:
        """Return the value of an objective on the fold's validation images."""
        return _value(objective, self.accuracy, self.loss, self.confusion)

    def metrics(self) -> dict[str, float]:
        """Return the metrics as they are logged, with the fold as the step."""
        return {"fold_val_accuracy": self.accuracy, "fold_val_loss": self.loss}


@dataclass(frozen=True)
class TrialResult:
    """A trial that ran to its end or was stopped.

    Attributes:
        history: one report an epoch; with folds, the mean over them, as far as all of them went.
        best_epoch: the one with the lowest validation loss, whose weights are kept; 0 where none
            was better than a fitted head; with folds, the median of theirs.
        probabilities: float32 (validation images, classes), of the kept weights; with folds, each
            image is answered by the network that was not trained on it (the mean over repeats).
        stop_reason: why it ended before its last epoch, None if it did not.
        pruned: the reason came from `report`.
        parameters: weights' numbers in all; `trainable` of them train. None for an estimator:
            a tree's nodes and a linear model's weights are no common measure.
        flops: floating-point operations of one image's forward pass; None for an estimator.
        precision: of the training, "float32" or "bfloat16"; "float64" of an estimator.
        folder: holds the trained network; see `packaging.network`.
        seconds: wall time; with folds, the sum of theirs, as `parameters` and `flops` are sums.
        folds: the folds that ended, by number; empty for a trial without folds.
        rows: positions in `examples.validation` that `probabilities` stand for, where a trial was
            stopped before all of its folds had ended; None: all of them.
        costs: of `core.cost.COSTS`, by name, where a sweep asks for them: of the whole model.
    """

    history: tuple[EpochReport, ...]
    best_epoch: int
    probabilities: NDArray[np.float32]
    stop_reason: str | None
    pruned: bool
    parameters: int | None
    trainable: int | None
    flops: int | None
    precision: str
    folder: Path
    seconds: float
    folds: tuple[FoldResult, ...] = ()
    rows: tuple[int, ...] | None = None
    costs: Mapping[str, float] = field(default_factory=dict)

    def sizes(self) -> dict[str, float]:
        """Return the metrics of its size as they are logged; an estimator has no parameters."""
        sizes = {
            **self.costs,
            "parameters": self.parameters,
            "trainable_parameters": self.trainable,
            "gigaflops": None if self.flops is None else self.flops / 1e9,
        }
        return {name: float(value) for name, value in sizes.items() if value is not None}


def counts_of(confusion: objectives.Confusion) -> Counts:
    """Return a confusion as plain data."""
    return tuple(tuple(map(int, row)) for row in confusion)


def _value(objective: str, accuracy: float, loss: float, confusion: Counts) -> float:
    if objective == "accuracy":
        return accuracy
    if objective == "loss":
        return loss
    return objectives.get(objective).of(np.asarray(confusion), loss)
