"""What goes into a trial and what comes out. Plain data: loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mineralsweep.config import Training
from mineralsweep.models import get as get_architecture
from mineralsweep.models.architecture import Hyperparameter
from mineralsweep.models.recipe import SEARCHABLE, STUDY, Recipe


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
    repeat stand together.
    """

    arrays: Path
    classes: tuple[str, ...]
    train: tuple[int, ...]
    train_labels: tuple[int, ...]
    validation: tuple[int, ...]
    validation_labels: tuple[int, ...]
    folds: tuple[Fold, ...] = ()

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
            folds=(),
        )


@dataclass(frozen=True)
class TrialSpec:
    """Everything that decides a trial's result.

    Attributes:
        number: of the trial in its study, from 0.
        hyperparameters: the architecture's own (dropout, augmentation, unfrozen, weights).
        learning_rate: of the first step; see `decay`. An estimator has none: it is 0, its
            epochs are 1, and `optimizer` is "".
        decay: the rate of step t is learning_rate / (1 + decay * t).
        patience: epochs without a lower validation loss before training ends; 0: never.
        image_size: (height, width) in pixels.
        training: precision, views and head epochs.
        recipe: how batches, rate and weights are treated beside.
        deepest: the most layers of the trunk that any trial of the sweep unfreezes; the feature
            store goes through that cut, whatever this trial's own.
        folder: where the trained network is written; the trial's own.
        examples: filled in once the arrays are built.
        checkpoint: a folder where the training's state is kept; it goes on from what is there.
            None: no state is kept.
        checkpoint_every: seconds of training after which the next epoch's end writes the state.
        keep_last: the state after the last epoch is written too, for another trial to go on from.
        initial: a checkpoint of another trial with the same network, from which this one goes on:
            its weights, its optimizer, its epochs. Used where `checkpoint` has nothing.
    """

    number: int
    architecture: str
    hyperparameters: Mapping[str, Hyperparameter]
    optimizer: str
    learning_rate: float
    decay: float
    batch_size: int
    epochs: int
    patience: int
    image_size: tuple[int, int]
    training: Training
    deepest: int
    seed: int
    folder: Path
    examples: Examples
    recipe: Recipe = STUDY
    checkpoint: Path | None = None
    checkpoint_every: float = 30.0
    keep_last: bool = False
    initial: Path | None = None

    def params(self) -> dict[str, Hyperparameter]:
        """Return the settings that tell trials apart, as they are shown and logged."""
        if get_architecture(self.architecture).kind == "estimator":
            return {
                "architecture": self.architecture,
                **self.hyperparameters,
                "image_size": self._size(),
                "seed": self.seed,
            }
        return {
            "architecture": self.architecture,
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
        }

    def labels_of(self, result: TrialResult) -> tuple[int, ...]:
        """Return the labels that a result's probabilities stand for, in their order."""
        labels = self.examples.validation_labels
        return labels if result.rows is None else tuple(labels[row] for row in result.rows)

    def _size(self) -> str:
        return f"{self.image_size[0]}x{self.image_size[1]}"

    def _trunk_params(self) -> dict[str, Hyperparameter]:
        if get_architecture(self.architecture).segment is None:
            return {}
        return {"views": self.training.views, "head_epochs": self.training.head_epochs}


def specify(
    params: Mapping[str, Hyperparameter],
    *,
    number: int,
    epochs: int,
    patience: int,
    image_size: tuple[int, int],
    seed: int,
    weights: str,
    training: Training,
    deepest: int,
    folder: Path,
    examples: Examples,
) -> TrialSpec:
    """Fill in what `params` leaves out with the architecture's own defaults.

    Args:
        params: `architecture` and any of learning_rate, optimizer, batch_size, and the
            architecture's hyperparameters.
        weights: for architectures that take pretrained weights.
        deepest: see `TrialSpec`; this trial's own `unfrozen` counts too.
    """
    architecture = get_architecture(str(params["architecture"]))
    own = {name: params.get(name, value) for name, value in architecture.hyperparameters.items()}
    if architecture.pretrained:
        own["weights"] = weights
    optimizer = str(params.get("optimizer", architecture.optimizer))
    default_rate = architecture.default_learning_rate(int(own.get("unfrozen") or 0))
    return TrialSpec(
        number=number,
        architecture=architecture.name,
        hyperparameters=own,
        optimizer=optimizer,
        learning_rate=float(params.get("learning_rate") or default_rate),
        decay=architecture.decay if optimizer == architecture.optimizer else 0.0,
        batch_size=int(params.get("batch_size") or architecture.batch_size),
        epochs=1 if architecture.kind == "estimator" else epochs,
        patience=patience,
        image_size=image_size,
        training=training,
        deepest=max(deepest, int(own.get("unfrozen") or 0)),
        seed=seed,
        folder=folder,
        examples=examples,
        recipe=architecture.recipe.with_changes(
            training.recipe_changes() | {name: params.get(name) for name in SEARCHABLE}
        ),
    )


SHOWN_A_FOLD = ("val_accuracy", "val_loss", "train_loss")
"""Metrics that are written for every epoch of every fold."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch, counted from 1. Losses in nats, accuracies in [0, 1].

    An estimator is fitted once: that is its only epoch, and it has no learning rate.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float | None
    seconds: float

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
    """

    fold: int
    accuracy: float
    loss: float
    n: int
    history: tuple[EpochReport, ...]
    best_epoch: int
    seconds: float

    def metrics(self) -> dict[str, float]:
        """Return the metrics as they are logged, with the fold as the step."""
        return {"fold_val_accuracy": self.accuracy, "fold_val_loss": self.loss}


@dataclass(frozen=True)
class TrialResult:
    """A trial that ran to its end or was stopped.

    Attributes:
        history: one report an epoch; with folds, the mean over them, as far as all of them went.
        best_epoch: the one with the lowest validation loss, whose weights are kept; with folds,
            the median of theirs.
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

    def sizes(self) -> dict[str, float]:
        """Return the metrics of its size as they are logged; of an estimator there are none."""
        sizes = {
            "parameters": self.parameters,
            "trainable_parameters": self.trainable,
            "gigaflops": None if self.flops is None else self.flops / 1e9,
        }
        return {name: float(value) for name, value in sizes.items() if value is not None}
