"""Images whose label is in doubt, and images unlike all others, by colour and texture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import cpu_count
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data import arrays
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.folds import folds
from mineralsweep.descriptors import store

SIDE = 128
"""Colour and texture are read at 128 x 128 pixels."""
NUMBERS = "whole_and_grid"
FOLDS = 5
TREES = 200
SEED = 0
NEIGHBOURS = 5
COMPONENTS = 20
FAR = 3.5
"""Robust deviations from the usual distance: Iglewicz and Hoaglin's bound, 1993."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Doubt:
    """An image that looks like another class; shares of the trees' votes, in [0, 1]."""

    row: int
    looks_like: str
    share: float
    own_share: float


@dataclass(frozen=True)
class Doubts:
    """Those in doubt, the most doubtful first, and how far the judge itself is to be trusted.

    `accuracy` is the judge's, on images that it had not seen; None where there was no judge, for
    the reason in `missing`.
    """

    found: tuple[Doubt, ...]
    accuracy: float | None
    missing: str = ""


@dataclass(frozen=True)
class Outlier:
    """An image far from its nearest others: so many robust deviations above the median."""

    row: int
    deviations: float


def numbers(catalog: Catalog) -> Numbers:
    """Return colour and texture of each image, float64 (n, 1032), each column standardised."""
    images = arrays.ensure(catalog, (SIDE, SIDE))
    raw = store.ensure(images, cpu_count() or 1, NUMBERS).astype(float)
    deviation = raw.std(axis=0)
    return cast(Numbers, (raw - raw.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0))


def doubts(
    values: Numbers, labels: Sequence[int], groups: Sequence[int], classes: Sequence[str]
) -> Doubts:
    """Ask trees that have not seen an image, nor a near-duplicate of it, what it is.

    Args:
        values: float64 (n, columns).
        labels: a position in `classes` a row.
        groups: near-duplicates share a number.
        classes: names.

    Returns:
        The images that get more votes for another class than for their own.
    """
    if len(set(labels)) < 2:
        return Doubts((), None, "there are fewer than two classes")
    try:
        divided = folds(labels, groups, FOLDS, 1, SEED)
    except ValueError:
        return Doubts((), None, f"a class has fewer than {FOLDS} images of its own")
    votes = _votes(values, np.asarray(labels), divided, len(classes))
    found = []
    for row, label in enumerate(labels):
        guess = int(votes[row].argmax())
        if votes[row, guess] > votes[row, label]:
            share, own = float(votes[row, guess]), float(votes[row, label])
            found.append(Doubt(row, classes[guess], share, own))
    found.sort(key=lambda doubt: (doubt.own_share - doubt.share, doubt.row))
    return Doubts(tuple(found), 1 - len(found) / len(labels))


def _votes(
    values: Numbers,
    labels: NDArray[np.intp],
    divided: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
    classes: int,
) -> Numbers:
    from sklearn.ensemble import ExtraTreesClassifier

    votes = np.zeros((len(labels), classes))
    for train, held in divided:
        trees = ExtraTreesClassifier(
            TREES, class_weight="balanced", min_samples_leaf=2, random_state=SEED, n_jobs=-1
        )
        trees.fit(values[list(train)], labels[list(train)])
        votes[np.ix_(held, trees.classes_)] = trees.predict_proba(values[list(held)])
    return votes


def outliers(values: Numbers, groups: Sequence[int]) -> tuple[Outlier, ...]:
    """Return the images far from their nearest neighbours, the farthest first.

    The distance is the mean over 5 neighbours, near-duplicates left out, in the space of the first
    20 principal components; whichever class they belong to.

    Args:
        values: float64 (n, columns), standardised.
        groups: near-duplicates share a number.
    """
    count = len(values)
    if count <= COMPONENTS or not values.any():
        return ()
    from sklearn.decomposition import PCA

    places = PCA(COMPONENTS, svd_solver="full").fit_transform(values)
    together = np.asarray(groups)
    distance = np.empty(count)
    for row in range(count):
        others = places[together != together[row]]
        lengths = np.linalg.norm(others - places[row], axis=1)
        distance[row] = np.partition(lengths, min(NEIGHBOURS, len(lengths)) - 1)[:NEIGHBOURS].mean()
    median = np.median(distance)
    spread = 1.4826 * np.median(np.abs(distance - median))
    if spread == 0:
        return ()
    far = (distance - median) / spread
    rows = [int(row) for row in np.argsort(-far, kind="stable") if far[row] > FAR]
    return tuple(Outlier(row, float(far[row])) for row in rows)
