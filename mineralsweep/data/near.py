"""Pairs of near hashes among many, without comparing each with each.

Two hashes of 64 bits that differ in at most r = 4 a + b bits, b below 4, are near in one of four
parts of 16 bits: one of the first b + 1 differs in at most a bits, or one of the others in at most
a - 1 (Norouzi et al. 2014, IEEE TPAMI 36:1107). So for each part the hashes are sorted by it, and
only those are compared whose parts are that near. The distance grows step by step until enough
pairs are found: many unrelated images are near by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from os import cpu_count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data import looks

COMPARED_VIEWS = ((0, 0), (1, 1), (2, 2), (0, 1))
MOST_BITS = 14
"""Of 64 that may differ in a candidate's hashes; unrelated images differ in 32 or so."""
FEW = 12_000
"""Up to so many hashes, each is compared with each: that is faster."""
STEPS = (2, 6, 10, 12, MOST_BITS)
"""Half of a hash's bits are set, but for ties: two differ in an even number of bits as a rule."""
CHUNKS, CHUNK_BITS = 4, 16
ROW_BITS = 29
"""Of a row's number, where three numbers stand in one of 64 bits."""
AT_ONCE = 2**21
"""Pairs compared at once: bounds the memory."""

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]


class Candidate(NamedTuple):
    """Two rows whose hashes are near: view `first_view` of one, upright, and `second_view` of
    the other in one of the eight orientations."""

    bits: int
    first: int
    second: int
    first_view: int
    second_view: int
    orientation: int


def candidates(hashes: Hashes, most: int, groups: Sequence[int] | None = None) -> list[Candidate]:
    """Return the pairs of rows with the nearest hashes, each with its nearest alignment.

    Args:
        hashes: uint64 (n, 3 views, 8 orientations), as `looks.parse` returns them.
        most: pairs to return.
        groups: a number a row; rows of one group are no pair. None: each row is alone.

    Returns:
        Sorted by distance, then by rows.
    """
    few = len(hashes) <= FEW
    apart = np.arange(len(hashes)) if groups is None else np.asarray(groups)
    found = np.zeros((0, len(Candidate._fields)), np.int64)
    for bits in (MOST_BITS,) if few else STEPS:
        found = _best(_found(hashes, apart, bits, few, most))
        if len(found) >= most:
            break
    return [Candidate(*line) for line in found[:most].tolist()]


def _found(hashes: Hashes, groups: Rows, bits: int, few: bool, most: int) -> Rows:
    """Return lines of pairs and alignments within a distance: the fields of `Candidate`.

    All of them, or those of the `most` nearest pairs and some more.
    """
    ways = [(*views, turned) for views in COMPARED_VIEWS for turned in range(looks.SYMMETRIES)]

    def lines(way: tuple[int, int, int]) -> Rows:
        one, other, orientation = way
        upright, turned = hashes[:, one, 0], hashes[:, other, orientation]
        pairs = _all(upright, turned) if few else _sharing_a_chunk(upright, turned, bits)
        found, unsorted = np.zeros((0, 3), np.int64), []
        for pair in pairs:
            unsorted.append(_near(upright, turned, groups, *pair, bits))
            if sum(map(len, unsorted)) > AT_ONCE:
                found, unsorted = _nearest([found, *unsorted], most), []
        found = _nearest([found, *unsorted], most)
        return np.concatenate([found, np.tile(way, (len(found), 1))], axis=1)

    with ThreadPoolExecutor(cpu_count()) as pool:
        return np.concatenate(list(pool.map(lines, ways)))


def _near(
    upright: Hashes, turned: Hashes, groups: Rows, first: Rows, second: Rows, bits: int
) -> Rows:
    """Return (distance, first, second) of those of some pairs that are near, and no group yet."""
    distance = np.bitwise_count(upright[first] ^ turned[second])
    near = (distance <= bits) & (groups[first] != groups[second])
    return np.stack([distance[near].astype(np.int64), first[near], second[near]], axis=1)


def _nearest(found: Sequence[Rows], most: int) -> Rows:
    """Return each line once, and of many those of the nearest pairs.

    A pair may stand there both ways round.
    """
    distance, first, second = np.concatenate(found).T
    packed = np.unique(distance << 2 * ROW_BITS | first << ROW_BITS | second)
    rows = 2**ROW_BITS - 1
    lines = np.stack([packed >> 2 * ROW_BITS, packed >> ROW_BITS & rows, packed & rows], axis=1)
    low, high = np.sort(lines[:, 1:], axis=1).T
    return lines[np.lexsort((high, low, lines[:, 0]))[: 2 * most]]


def _all(upright: Hashes, turned: Hashes) -> Iterator[tuple[Rows, Rows]]:
    rows = np.arange(len(upright))
    step = max(1, AT_ONCE // len(upright))
    for start in range(0, len(turned), step):
        part = rows[start : start + step]
        yield np.tile(rows, len(part)), np.repeat(part, len(rows))


def _sharing_a_chunk(upright: Hashes, turned: Hashes, bits: int) -> Iterator[tuple[Rows, Rows]]:
    """Give all pairs that differ in at most so many bits, and others; some more than once."""
    for part in range(CHUNKS):
        differing = bits // CHUNKS - (part > bits % CHUNKS)
        sorted_by = _Sorted(_chunk(upright, part))
        keys = _chunk(turned, part)
        for mask in _masks(differing):
            yield from sorted_by.equal(keys ^ mask)


def _chunk(hashes: Hashes, part: int) -> Rows:
    return (hashes >> np.uint64(CHUNK_BITS * part)).astype(np.uint16).astype(np.int64)


def _masks(bits: int) -> Iterator[int]:
    """Give every number of 16 bits of which at most so many are set."""
    for count in range(bits + 1):
        for places in combinations(range(CHUNK_BITS), count):
            yield sum(1 << place for place in places)


class _Sorted:
    """Rows by a key of 16 bits."""

    def __init__(self, keys: Rows) -> None:
        self._order = np.argsort(keys, kind="stable")
        counts = np.bincount(keys, minlength=2**CHUNK_BITS)
        self._starts = np.concatenate([[0], np.cumsum(counts)])

    def equal(self, keys: Rows) -> Iterator[tuple[Rows, Rows]]:
        """Give (row, place in `keys`) of each pair of equal keys."""
        starts, counts = self._starts[keys], self._starts[keys + 1] - self._starts[keys]
        ends = np.cumsum(counts)
        cuts = np.searchsorted(ends, np.arange(AT_ONCE, ends[-1], AT_ONCE))
        for places in np.split(np.arange(len(keys)), np.unique(cuts)):
            own = counts[places]
            within = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
            yield self._order[np.repeat(starts[places], own) + within], np.repeat(places, own)


def _best(found: Rows) -> Rows:
    """Return the nearest alignment of each pair, the nearest pairs first."""
    low, high = np.minimum(found[:, 1], found[:, 2]), np.maximum(found[:, 1], found[:, 2])
    order = np.lexsort((*found.T[::-1], high, low))
    ordered, low, high = found[order], low[order], high[order]
    first = np.ones(len(order), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    ordered, low, high = ordered[first], low[first], high[first]
    return ordered[np.lexsort((high, low, ordered[:, 0]))]
