"""A look at a catalogue before training: near-duplicates, labels in doubt, outliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import cpu_count
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data import arrays, duplicates
from mineralsweep.data import groups as grouped
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.folds import folds
from mineralsweep.data.listing import PARTS
from mineralsweep.data.settings import SHARES
from mineralsweep.data.split import parse_shares, split
from mineralsweep.descriptors import store
from mineralsweep.errors import DataError
from mineralsweep.report import quality
from mineralsweep.report.quality import Poor

MOST = 5_000
"""Images of a collection that is looked at one by one."""
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
        The images whose labels are wrong, by confident learning (Northcutt et al. 2021, Journal of
        Artificial Intelligence Research 70:1373), as cleanlab has it.
    """
    from cleanlab.filter import find_label_issues

    if len(set(labels)) < 2:
        return Doubts((), None, "there are fewer than two classes")
    try:
        divided = folds(labels, groups, FOLDS, 1, SEED)
    except ValueError:
        return Doubts((), None, f"a class has fewer than {FOLDS} images of its own")
    votes = _votes(values, np.asarray(labels), divided, len(classes))
    truth, present = np.asarray(labels), np.unique(labels)
    own, guesses = votes[np.arange(len(truth)), truth], votes.argmax(axis=1)
    wrong = find_label_issues(
        np.searchsorted(present, truth),
        votes[:, present],
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    found = [
        Doubt(int(row), classes[guesses[row]], float(votes[row].max()), float(own[row]))
        for row in wrong
    ]
    return Doubts(tuple(found), float((guesses == truth).mean()))


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
        if not len(others):
            return ()  # all belong together
        lengths = np.linalg.norm(others - places[row], axis=1)
        distance[row] = np.partition(lengths, min(NEIGHBOURS, len(lengths)) - 1)[:NEIGHBOURS].mean()
    median = np.median(distance)
    spread = 1.4826 * np.median(np.abs(distance - median))
    if spread == 0:
        return ()
    far = (distance - median) / spread
    rows = [int(row) for row in np.argsort(-far, kind="stable") if far[row] > FAR]
    return tuple(Outlier(row, float(far[row])) for row in rows)


@dataclass(frozen=True)
class Group:
    """Rows of one photograph.

    `sides` are the parts of the split that they would stand on, were they not kept together; one
    alone where they would not be divided, none where the folder can't be split.
    """

    rows: tuple[int, ...]
    classes: tuple[str, ...]
    sides: tuple[str, ...]

    @property
    def crosses(self) -> bool:
        """Whether the split would have divided it."""
        return len(self.sides) > 1


@dataclass(frozen=True)
class Findings:
    """A catalogue and what is to be known of it; `shares`: of the split that groups cross."""

    catalog: Catalog
    groups: tuple[Group, ...]
    doubts: Doubts
    outliers: tuple[Outlier, ...]
    poor: tuple[Poor, ...] = ()
    shares: str = SHARES

    def file(self, row: int) -> str:
        """Return an image's path under the root, as text."""
        return self.catalog.file(row)


def examine(
    catalog: Catalog, belonging: Sequence[int] | None = None, shares: str = SHARES
) -> Findings:
    """Look for near-duplicates, labels in doubt, images unlike the others, and poor ones.

    Args:
        catalog: the images.
        belonging: a group a row, of images that belong together; None: near-duplicates alone.
        shares: of the split that near-duplicates are tried against, with the seed 0.

    Raises:
        DataError: a file was removed or changed since the catalogue was read.
    """
    copies = duplicates.groups(catalog)
    together = belonging or copies
    groups = _groups(catalog, copies, shares)
    if not catalog.images:
        none = Doubts((), None, "there are no images")
        return Findings(catalog, groups, none, (), shares=shares)
    if len(catalog.images) > MOST:
        missing = f"more than {MOST:,} images take too long; look at a part of them"
        return Findings(catalog, groups, Doubts((), None, missing), (), shares=shares)
    number = {name: place for place, name in enumerate(catalog.classes)}
    labels = [number[image.label] for image in catalog.images]
    values = numbers(catalog)
    doubtful = doubts(values, labels, together, catalog.classes)
    far = outliers(values, together)
    return Findings(catalog, groups, doubtful, far, quality.poor(catalog), shares)


def _groups(catalog: Catalog, together: Sequence[int], shares: str) -> tuple[Group, ...]:
    sides = _sides(catalog, shares)
    groups = []
    for rows in grouped.several(together):
        labels = sorted({catalog.images[row].label for row in rows})
        parts = [part for part in PARTS if part in {sides.get(row) for row in rows}]
        groups.append(Group(tuple(rows), tuple(labels), tuple(parts)))
    return tuple(sorted(groups, key=lambda group: (len(group.classes) < 2, group.rows)))


def _sides(catalog: Catalog, shares: str) -> dict[int, str]:
    """Return the part of each row in a split that knows nothing of near-duplicates."""
    try:
        parts = split(catalog, parse_shares(shares), 0)
    except DataError:
        return {}
    named = zip(PARTS, (parts.train, parts.validation, parts.test), strict=True)
    return {row: part for part, rows in named for row in rows}
