"""Near hashes: comparing a block at a time finds what comparing one by one finds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mineralsweep.data import near
from mineralsweep.data.near import Candidate, candidates

Hashes = NDArray[np.uint64]


def drawn(count: int, seed: int = 0) -> Hashes:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**64, (count, 3, 8), dtype=np.uint64)


def crowded(count: int) -> Hashes:
    """Return hashes with near ones at every distance."""
    rng = np.random.default_rng(1)
    hashes = drawn(count)
    for row in range(0, count - 1, 2):
        flips = rng.choice(64, rng.integers(0, 20), replace=False)
        mask = np.bitwise_or.reduce(np.left_shift(np.uint64(1), flips.astype(np.uint64)))
        view, turned = rng.integers(3), rng.integers(8)
        hashes[row + 1, view, turned] = hashes[row, view, 0] ^ mask
    return hashes


def one_by_one(hashes: Hashes) -> list[Candidate]:
    """Compare each with each, in plain Python."""
    best: dict[tuple[int, int], Candidate] = {}
    for one, other in near.COMPARED_VIEWS:
        for turned in range(8):
            distance = np.bitwise_count(hashes[:, None, one, 0] ^ hashes[None, :, other, turned])
            for first, second in np.argwhere(distance <= near.MOST_BITS).tolist():
                bits = int(distance[first, second])
                found = Candidate(bits, first, second, one, other, turned)
                pair = min(first, second), max(first, second)
                if first != second and (pair not in best or found < best[pair]):
                    best[pair] = found
    return [best[pair] for pair in sorted(best, key=lambda pair: (best[pair].bits, pair))]


def test_candidates_are_near_in_one_orientation() -> None:
    hashes = drawn(40)
    assert candidates(hashes, 100) == []
    hashes[28, 1, 5] = hashes[10, 1, 0] ^ np.uint64(0b111)
    hashes[5, 1, 2] = hashes[20, 0, 0]
    assert candidates(hashes, 100) == [(0, 20, 5, 0, 1, 2), (3, 10, 28, 1, 1, 5)]
    assert candidates(hashes, 1) == [(0, 20, 5, 0, 1, 2)]


@pytest.mark.parametrize("block", [(8, 4096), (7, 100)], ids=["one block", "many blocks"])
@pytest.mark.parametrize("most", [10, 60, 10_000])
def test_the_nearest_pairs_are_found(
    block: tuple[int, int], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = crowded(240)
    monkeypatch.setattr(near, "BLOCK", block)
    monkeypatch.setattr(near, "AT_ONCE", 40)
    wanted = one_by_one(hashes)
    assert len(wanted) >= 60
    found = candidates(hashes, most)
    assert [one.bits for one in found] == [one.bits for one in wanted[:most]]
    assert set(found) <= set(wanted)


def test_hashes_that_are_all_the_same_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.zeros((300, 3, 8), np.uint64)
    monkeypatch.setattr(near, "AT_ONCE", 1_000)
    found = candidates(hashes, 50)
    assert len({(one.first, one.second) for one in found}) == 50
    assert {one.bits for one in found} == {0}
