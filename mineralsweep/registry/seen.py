"""How the training images look, by their pixels and by the model's embedding: measured once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.dataset import Dataset
from mineralsweep.data.decode import Pixels
from mineralsweep.descriptors.pyramid import pyramid
from mineralsweep.machine import cores
from mineralsweep.serving import ensemble, familiarity
from mineralsweep.serving.compiled import CompiledNetwork
from mineralsweep.serving.ensemble import Classifier, Embeds
from mineralsweep.serving.familiarity import Familiarity, Reference, Seen
from mineralsweep.serving.workers import MOST_AT_ONCE

MOST_SEEN = 2000
"""Images that the model is asked about, to learn how training images look to it."""
FEWEST = 10
"""Images to measure distances from, and as many to set the threshold on; with fewer there is no
verdict."""

Division = tuple[Sequence[int], Sequence[int]]


def measured(model: Classifier, images: Pixels, dataset: Dataset, folds: int) -> Familiarity | None:
    """Return what tells images like the training; None where there are too few to measure it on.

    Args:
        model: made ready to serve.
        images: all of the data set, of the model's size.
        dataset: that it was trained on; of its test split nothing is read.
        folds: that the pool was divided into; 1: none.
    """
    divisions = _divisions(model, dataset, folds)
    rows = sorted({row for division in divisions for part in division for row in part})
    place = {row: at for at, row in enumerate(rows)}
    held = [([place[row] for row in own], [place[row] for row in out]) for own, out in divisions]
    if len(held[0][0]) < FEWEST or sum(len(out) for _, out in held) < FEWEST:
        return None
    known, kept = familiarity.fit(describe(model, images, rows), held)
    return known.with_digests([dataset.catalog.images[rows[at]].digest for at in kept])


def moved(
    known: Familiarity, model: Classifier, images: Pixels, dataset: Dataset
) -> Familiarity | None:
    """Return the same with the pool's images as a refit sees them; None where it can't be.

    The bounds stay: distances are in standard deviations of the images themselves, and the two
    models differ in nothing but their images.

    Args:
        known: measured on the model before.
        model: the refit, made ready to serve.
        images: all of the data set, of the model's size.
        dataset: that it was trained on; of its test split nothing is read.
    """
    [(rows, _)] = _few([(dataset.pool(), ())])
    seen = describe(model, images, rows)
    if (seen.embeddings is None) != (known.reference.embeddings is None):
        return None
    digests = [dataset.catalog.images[rows[at]].digest for at in familiarity.kept(len(rows))]
    return replace(known, reference=Reference.fit(seen)).with_digests(digests)


def _divisions(model: Classifier, dataset: Dataset, folds: int) -> list[Division]:
    """Return rows that the model's distances are measured from, and rows that they are tested on.

    What is held out, the embedding must not have been trained on. That of a network with folds is
    its first fold's. That of a probe was trained on no image of the collection: any fold will do.
    """
    if folds == 1:
        return _few([(dataset.split.train, dataset.split.validation)])
    embedding = [one for one, _ in ensemble.leaves(model) if isinstance(one, Embeds)]
    divisions = dataset.folds(folds)
    trained = embedding and isinstance(embedding[0], CompiledNetwork)
    return _few(divisions[:1] if trained else divisions)


def _few(divisions: Sequence[Division]) -> list[Division]:
    """Leave out images where there are more than MOST_SEEN."""
    rows = sorted({row for division in divisions for part in division for row in part})
    if len(rows) <= MOST_SEEN:
        return list(divisions)
    order = np.random.default_rng(0).permutation(rows)
    kept = {int(row) for row in order[:MOST_SEEN]}
    return [
        ([row for row in own if row in kept], [row for row in out if row in kept])
        for own, out in divisions
    ]


def describe(model: Classifier, images: Pixels, rows: Sequence[int]) -> Seen:
    """Return how some rows of images look, and to the model."""
    parts = [rows[start : start + MOST_AT_ONCE] for start in range(0, len(rows), MOST_AT_ONCE)]

    def asked(part: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        pixels = np.asarray(images[list(part)])
        return pyramid(pixels), ensemble.embedding(model, pixels)

    with ThreadPoolExecutor(cores()) as threads:
        described = list(threads.map(asked, parts))
    embeddings = [one for _, one in described if one is not None]
    return Seen(
        np.concatenate([one for one, _ in described]),
        np.concatenate(embeddings) if embeddings else None,
    )
