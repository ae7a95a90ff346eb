"""Is an image like those that a model was trained on? Distances, and a threshold that was measured.

Two distances tell. The look of an image (`descriptors.pyramid`) from the mean look: Mahalanobis's.
What the model itself makes of an image, its embedding, from the nearest of the training images.
Each is divided by what few held-out images exceed; the larger quotient is the novelty.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mineralsweep.serving import trust

FILE = "familiarity.npz"
FALSE_ALARMS = 0.05
"""Of images like the training: the share that is to be called unlike it."""
MOST = 1000
"""Embeddings that are kept."""
FAR = 20.0
"""Standard deviations: what lies further away counts as so far."""
LARGEST = 2**27
"""Bytes that the file may unpack to: 128 MiB."""

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """What is known of some images.

    Attributes:
        looks: float32 (n, columns), of `descriptors.pyramid`.
        embeddings: float32 (n, columns), of the model; None: it has none.
    """

    looks: Rows
    embeddings: Rows | None

    def of(self, rows: Sequence[int]) -> Seen:
        """Return the same of some of the images."""
        chosen = list(rows)
        embeddings = None if self.embeddings is None else self.embeddings[chosen]
        return Seen(self.looks[chosen], embeddings)


@dataclass(frozen=True)
class _Scale:
    """Numbers to standard deviations from their mean."""

    mean: Rows
    deviation: Rows

    @classmethod
    def fit(cls, numbers: Rows) -> _Scale:
        deviation = numbers.std(axis=0)
        return cls(numbers.mean(axis=0), deviation + 1e-6 * float(deviation.mean()) + 1e-12)

    def __call__(self, numbers: Rows) -> Rows:
        scaled = (numbers - self.mean) / self.deviation
        return np.asarray(np.clip(scaled, -FAR, FAR), np.float32)


@dataclass(frozen=True)
class Reference:
    """The images that others are compared with.

    Attributes:
        look: standardises looks.
        whitening: (columns, columns): the length of a whitened look is its Mahalanobis distance.
        embedding: standardises embeddings.
        embeddings: float16 (at most MOST, columns), standardised; None without.
    """

    look: _Scale
    whitening: Rows
    embedding: _Scale | None
    embeddings: NDArray[np.float16] | None

    @classmethod
    def fit(cls, seen: Seen) -> Self:
        """Fit it to some images, at least 2."""
        look = _Scale.fit(seen.looks)
        whitening = _whitening(look(seen.looks))
        if seen.embeddings is None:
            return cls(look, whitening, None, None)
        scale = _Scale.fit(seen.embeddings)
        embeddings = scale(seen.embeddings[kept(len(seen.looks))]).astype(np.float16)
        return cls(look, whitening, scale, embeddings)

    @functools.cached_property
    def _rows(self) -> tuple[Rows, Rows]:
        """The embeddings in float32, and their squared lengths."""
        assert self.embeddings is not None
        rows = self.embeddings.astype(np.float32)
        return rows, np.einsum("ij,ij->i", rows, rows)

    def distances(self, seen: Seen) -> NDArray[np.float64]:
        """Return the distances of images, (n, 1 or 2): of the look, and of the embedding."""
        looks = np.linalg.norm(self.look(seen.looks) @ self.whitening, axis=1)
        if self.embedding is None or seen.embeddings is None:
            return np.asarray(looks[:, None], np.float64)
        nearest = [self.nearest(one, 1)[1][0] for one in seen.embeddings]
        return np.stack([looks, np.asarray(nearest)], axis=1, dtype=np.float64)

    def nearest(self, embedding: Rows, count: int) -> tuple[NDArray[np.int64], Rows]:
        """Return the places of the embeddings nearest to one, (columns,), and their distances."""
        assert self.embedding is not None
        rows, squares = self._rows
        own = self.embedding(embedding)
        order = np.argpartition(squares - 2 * rows @ own, min(count, len(rows)) - 1)[:count]
        distances = np.linalg.norm(rows[order] - own, axis=1)  # exact, of those that were chosen
        by_distance = np.argsort(distances, kind="stable")
        return order[by_distance], distances[by_distance]


def kept(count: int) -> NDArray[np.int64]:
    """Return which of so many images have their embeddings kept."""
    if count <= MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:MOST])


def _whitening(scaled: Rows) -> Rows:
    """Return what whitens standardised numbers; the covariance is shrunk as Ledoit and Wolf say."""
    from sklearn.covariance import ledoit_wolf  # fitting is no part of answering

    covariance, _ = ledoit_wolf(scaled.astype(np.float64))
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-12)), np.float32)


@dataclass(frozen=True)
class Familiarity:
    """A reference with its thresholds.

    Attributes:
        reference: the training images.
        bounds: what each distance is divided by.
        held_out: images that the bounds were measured on.
        digests: SHA-256 of the files whose embeddings are kept, or would be, in their order; empty
            where they aren't known.
    """

    reference: Reference
    bounds: NDArray[np.float64]
    held_out: int
    digests: tuple[str, ...] = ()

    def with_digests(self, digests: Sequence[str]) -> Self:
        """Return it with the digests of the files whose embeddings are kept."""
        return replace(self, digests=tuple(digests))

    def novelty(self, seen: Seen) -> NDArray[np.float64]:
        """Return a number an image: above 1 it is unlike the training images."""
        return np.asarray((self.reference.distances(seen) / self.bounds).max(axis=1))


def fit(
    seen: Seen, divisions: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> tuple[Familiarity, list[int]]:
    """Fit a reference, and measure its bounds on images that it does not hold.

    A bound is the quantile that FALSE_ALARMS of new images exceed at most, by the rule of
    split-conformal prediction (Vovk et al. 2005): of n held-out images, the one of rank
    (n + 1) (1 - FALSE_ALARMS), rounded up.

    Args:
        seen: the images.
        divisions: (rows of the reference, held-out rows); of several, each holds out its own. The
            reference that is kept has the rows of all.

    Returns:
        It, and the rows whose embeddings are kept.
    """
    parts = [Reference.fit(seen.of(own)).distances(seen.of(held)) for own, held in divisions]
    distances = np.concatenate(parts)
    single = np.array([bound(column) for column in distances.T]) + 1e-12
    both = bound((distances / single).max(axis=1))
    own = sorted({row for rows, _ in divisions for row in rows})
    known = Familiarity(Reference.fit(seen.of(own)), single * both, len(distances))
    return known, [own[at] for at in kept(len(own))]


def bound(distances: NDArray[np.float64]) -> float:
    """Return the conformal quantile of held-out distances; of few, their largest."""
    rank = math.ceil((len(distances) + 1) * (1 - FALSE_ALARMS))
    return float(np.sort(distances)[min(rank, len(distances)) - 1])


def save(familiarity: Familiarity, folder: Path) -> None:
    """Write it into a folder."""
    reference = familiarity.reference
    arrays: dict[str, Any] = {
        "look_mean": reference.look.mean,
        "look_deviation": reference.look.deviation,
        "whitening": reference.whitening,
        "bounds": familiarity.bounds,
        "held_out": np.asarray(familiarity.held_out),
        "digests": np.asarray([bytes.fromhex(one) for one in familiarity.digests], "V32"),
    }
    if reference.embedding is not None and reference.embeddings is not None:
        arrays["embedding_mean"] = reference.embedding.mean
        arrays["embedding_deviation"] = reference.embedding.deviation
        arrays["embeddings"] = reference.embeddings
    np.savez_compressed(folder / FILE, **arrays)  # of numbers and bytes: nothing is pickled


def load(folder: Path) -> Familiarity | None:
    """Read what `save` wrote; None where there is none.

    Raises:
        OSError, ValueError, KeyError: the file is damaged, or unpacks to too much.
    """
    path = folder / FILE
    if not path.exists():
        return None
    trust.check_unpacked(path, LARGEST)
    with np.load(path, allow_pickle=False) as arrays:
        with_embeddings = "embeddings" in arrays
        scale = None
        if with_embeddings:
            scale = _Scale(arrays["embedding_mean"], arrays["embedding_deviation"])
        return Familiarity(
            Reference(
                _Scale(arrays["look_mean"], arrays["look_deviation"]),
                arrays["whitening"],
                scale,
                arrays["embeddings"] if with_embeddings else None,
            ),
            arrays["bounds"],
            int(arrays["held_out"]),
            tuple(bytes(one).hex() for one in arrays["digests"]),
        )
