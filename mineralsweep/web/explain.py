"""Where a model looked: what its answer loses when a part of the image is covered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels
from mineralsweep.serving import ensemble
from mineralsweep.serving.served import Served

GRID = 7
"""Places each way."""
NEAREST = 6


@dataclass(frozen=True)
class Neighbour:
    """A training image near to an image: its file's SHA-256, and its distance."""

    digest: str
    distance: float


def heat(served: Served, pixels: Pixels) -> NDArray[np.float64]:
    """Return how much each place of a decoded image speaks for its label, (GRID, GRID) in [0, 1].

    Occlusion: Zeiler & Fergus 2014, arXiv:1311.2901. A place is covered with the mean colour of
    the image; its heat is what the logarithm of the label's probability loses by it.
    """
    covered = np.stack([pixels, *_covered(pixels)])
    probabilities = np.concatenate(
        [
            ensemble.answer(served.classifier, covered[start : start + GRID])[0]
            for start in range(0, len(covered), GRID)
        ]
    ).astype(np.float64)
    of_label = np.maximum(probabilities[:, probabilities[0].argmax()], 1e-12)
    lost = np.maximum(np.log(of_label[0] / of_label[1:]), 0.0).reshape(GRID, GRID)
    return np.asarray(lost / (lost.max() or 1.0))


def _covered(pixels: Pixels) -> list[Pixels]:
    height, width = pixels.shape[:2]
    colour = pixels.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in (height, width))
    made = []
    for row in range(GRID):
        for column in range(GRID):
            one = pixels.copy()
            one[rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = colour
            made.append(one)
    return made


def neighbours(served: Served, pixels: Pixels, count: int = NEAREST) -> list[Neighbour]:
    """Return the training images nearest to a decoded image in the model's own embedding.

    Empty where the model has no embedding, or its training images aren't known.
    """
    known = served.familiarity
    if known is None or not known.digests or known.reference.embedding is None:
        return []
    embedding = ensemble.embedding(served.classifier, pixels[None])
    if embedding is None:
        return []
    places, distances = known.reference.nearest(embedding[0], count)
    pairs = zip(places.tolist(), distances.tolist(), strict=True)
    return [Neighbour(known.digests[place], distance) for place, distance in pairs]
