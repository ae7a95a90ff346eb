"""The cells of a reproduction: one variant of the study, trained once on one division."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mineralsweep.config import Training
from mineralsweep.core.trial import Examples, TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.split import Split, parse_shares, split
from mineralsweep.models.original import Variant
from mineralsweep.search.specify import specify

INNER_FOLDS = 5
"""Of what a fold leaves to train on, one part in so many chooses the epoch that is kept."""


@dataclass(frozen=True)
class Protocol:
    """How each variant is trained; what is None is as the study had it.

    Attributes:
        seeds: single splits, each with the study's shares, another seed, and other first weights.
        folds: of all images; 0: none.
        epochs: of a training on a single split, at most; the study's own where those are fewer.
        fold_epochs: the same for a fold.
    """

    seeds: int
    folds: int
    epochs: int | None = None
    fold_epochs: int | None = None


PRESETS = {
    "full": Protocol(seeds=5, folds=5),
    "quick": Protocol(seeds=1, folds=5, epochs=50, fold_epochs=20),
}


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        variant: what is trained.
        kind: "split" or "fold".
        index: the split's seed, or the fold from 1.
        of: folds in all, 0 for a split.
        epochs: of the training.
    """

    variant: Variant
    kind: str
    index: int
    of: int
    epochs: int

    @property
    def name(self) -> str:
        """What the cell is kept under: all that tells it from others of the same data."""
        where = f"split-{self.index}" if self.kind == "split" else f"fold-{self.index}-of-{self.of}"
        return f"{self.variant.name}-{where}-{self.epochs}-epochs"


def cells(variants: Sequence[Variant], protocol: Protocol) -> list[Cell]:
    """Return all trainings; the first ones of every variant come first."""
    rounds = [("split", seed, 0, protocol.epochs) for seed in range(protocol.seeds)]
    rounds += [
        ("fold", fold, protocol.folds, protocol.fold_epochs)
        for fold in range(1, protocol.folds + 1)
    ]
    return [
        Cell(variant, kind, index, of, min(variant.network.epochs, most or variant.network.epochs))
        for kind, index, of, most in rounds
        for variant in variants
    ]


def divided(cell: Cell, dataset: Dataset) -> Dataset:
    """Return the data set with the cell's own division; near-duplicates stand on one side.

    A fold is the test part. Of the other images, one part in five chooses the epoch whose weights
    are kept, and the rest is trained on: the fold itself has no say.
    """
    if cell.kind == "split":
        shares = cell.variant.network.split
        parts = split(dataset.catalog, parse_shares(shares), cell.index, dataset.groups())
        return replace(dataset, split=parts, shares=shares, split_seed=cell.index)
    every = tuple(range(len(dataset.catalog.images)))
    rest, test = dataset.folds(cell.of, rows=every)[cell.index - 1]
    train, validation = dataset.folds(INNER_FOLDS, rows=rest)[0]
    parts = Split.of(dataset.catalog, train, validation, test)
    return replace(dataset, split=parts, shares=f"fold {cell.index} of {cell.of}")


def specified(
    cell: Cell,
    number: int,
    dataset: Dataset,
    training: Training,
    weights: str,
    image_size: tuple[int, int] | None,
    folder: Path,
) -> TrialSpec:
    """Return a cell's training.

    Args:
        cell: what.
        number: tells it from others that run beside it.
        dataset: with the cell's own division.
        training: precision and views.
        weights: for VGG16.
        image_size: (height, width) in pixels; None: the study's.
        folder: takes the network.
    """
    size = image_size or cell.variant.network.image_size
    labels, parts = dataset.labels(), dataset.split
    return specify(
        {"architecture": cell.variant.architecture, **cell.variant.params},
        number=number,
        epochs=cell.epochs,
        patience=0,
        image_size=size,
        seed=cell.index,
        weights=weights,
        training=training,
        deepest=0,
        folder=folder,
        examples=Examples(
            arrays=dataset.arrays(size),
            classes=dataset.classes,
            train=parts.train,
            train_labels=tuple(labels[row] for row in parts.train),
            validation=parts.validation,
            validation_labels=tuple(labels[row] for row in parts.validation),
        ),
    )
