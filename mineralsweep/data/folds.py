"""Seeded, stratified folds that keep groups together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mineralsweep.data.split import Rows


def folds(
    labels: Sequence[int], groups: Sequence[int], k: int, repeats: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Divide a pool into k folds, so many times over.

    The images of a group stand in one fold; the classes' shares are as equal as groups allow
    (scikit-learn's StratifiedGroupKFold). The result depends on the order of the pool: sort it by
    what does not change, such as the images' digests.

    Args:
        labels: one an image of the pool.
        groups: one an image: images with the same number belong together.
        k: folds, at least 2.
        repeats: each one divides the pool anew.
        seed: another one gives other folds.

    Returns:
        (train, validation) a fold: positions in the pool, sorted. Within a repeat, each position
        is in the validation part of one fold.

    Raises:
        ValueError: a class has fewer groups than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    truth, together = np.asarray(labels), np.asarray(groups)
    for label in np.unique(truth):
        own = len(np.unique(together[truth == label]))
        if own < k:
            raise ValueError(f"class number {label}: {own} groups of images, {k} folds")
    found: list[tuple[Rows, Rows]] = []
    for repeat in range(repeats):
        drawn = int(np.random.default_rng([seed, repeat]).integers(2**31))
        splitter = StratifiedGroupKFold(k, shuffle=True, random_state=drawn)
        for train, validation in splitter.split(truth, truth, together):
            found.append((tuple(map(int, train)), tuple(map(int, validation))))
    return found
