"""The nearest pairs among many hashes: each is compared with each, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data import looks
from mineralsweep.data.work import Say, silent, told

COMPARED_VIEWS = ((0, 0), (1, 1), (2, 2), (0, 1))
MOST_BITS = 14
"""Of 64 that may differ in a candidate's hashes; unrelated images differ in 32 or so."""
BLOCK = (8, 4096)
"""Hashes compared with hashes at once: what a core's cache holds."""
ROW_BITS = 29
"""Of a row's number, where three numbers stand in one of 64 bits."""
AT_ONCE = 2**19
"""Near pairs held before the nearest are chosen: bounds the memory."""

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


def candidates(
    hashes: Hashes, most: int, groups: Sequence[int] | None = None, say: Say = silent
) -> list[Candidate]:
    """Return the pairs of rows with the nearest hashes, each with its nearest alignment.

    Args:
        hashes: uint64 (n, 3 views, 8 orientations), as `looks.parse` returns them.
        most: pairs to return.
        groups: a number a row; rows of one group are no pair. None: each row is alone.
        say: is told how far it is.

    Returns:
        Sorted by distance, then by rows. Where more than `most` pairs are equally near, which of
        them these are is left open.
    """
    apart = np.arange(len(hashes)) if groups is None else np.asarray(groups)
    ways = [(*views, turned) for views in COMPARED_VIEWS for turned in range(looks.SYMMETRIES)]

    def lines(way: tuple[int, int, int]) -> Rows:
        one, other, orientation = way
        upright, turned = hashes[:, one, 0].copy(), hashes[:, other, orientation].copy()
        found = _nearest_of(upright, turned, apart, most)
        return np.concatenate([found, np.tile(way, (len(found), 1))], axis=1)

    best = np.zeros((0, len(Candidate._fields)), np.int64)
    with ThreadPoolExecutor(cpu_count()) as pool:
        each = pool.map(lines, ways)
        for found in told(each, len(ways), "Comparing hashes, ways round", say):
            best = _best(np.concatenate([best, found]))[:most]
    return [Candidate(*line) for line in best.tolist()]


def _nearest_of(upright: Hashes, turned: Hashes, groups: Rows, most: int) -> Rows:
    """Return (distance, first, second) of the nearest pairs: all that are near, or enough."""
    found, unsorted, held, bits = np.zeros((0, 3), np.int64), [], 0, MOST_BITS
    for low in range(0, len(turned), BLOCK[0]):
        unsorted.append(_near(upright, turned, low, groups, bits))
        held += len(unsorted[-1])
        if held > AT_ONCE:
            found, unsorted, held = _nearest([found, *unsorted], most), [], 0
            if len(found) >= 2 * most:  # only nearer ones count from here on
                bits = int(found[-1, 0]) - 1
                if bits < 0:
                    break
    return _nearest([found, *unsorted], most)


def _near(upright: Hashes, turned: Hashes, low: int, groups: Rows, bits: int) -> Rows:
    """Return the pairs of a block's rows, from `low` on, that are near, and no group yet."""
    rows, columns = BLOCK
    part = turned[low : low + rows, None]
    # One array for each step, used again: half of the time goes into new ones.
    differing = np.empty((len(part), columns), np.uint64)
    count, near = np.empty(differing.shape, np.uint8), np.empty(differing.shape, bool)
    found = [np.zeros((0, 3), np.int64)]
    for left in range(0, len(upright), columns):
        across = upright[left : left + columns]
        held = slice(len(across))
        np.bitwise_xor(across, part, out=differing[:, held])
        np.bitwise_count(differing[:, held], out=count[:, held])
        np.less_equal(count[:, held], bits, out=near[:, held])
        if near[:, held].any():
            second, first = np.nonzero(near[:, held])
            distance = count[second, first].astype(np.int64)
            first, second = first + left, second + low
            apart = groups[first] != groups[second]
            found.append(np.stack([distance[apart], first[apart], second[apart]], axis=1))
    return np.concatenate(found)


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


def _best(found: Rows) -> Rows:
    """Return the nearest alignment of each pair, the nearest pairs first."""
    low, high = np.minimum(found[:, 1], found[:, 2]), np.maximum(found[:, 1], found[:, 2])
    order = np.lexsort((*found.T[::-1], high, low))
    ordered, low, high = found[order], low[order], high[order]
    first = np.ones(len(order), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    ordered, low, high = ordered[first], low[first], high[first]
    return ordered[np.lexsort((high, low, ordered[:, 0]))]
