"""Batches follow from (seed, epoch, step); labels are smoothed and weighed as asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mineralsweep.core.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LABELS = np.array([0] * 6 + [1] * 3 + [2])
ALL = Recipe(mixup=0.4, colour=0.5, crop=0.5, label_smoothing=0.1, balance=0.5)


def batches(recipe: Recipe, seed: int = 0) -> Any:
    from mineralsweep.training.batches import RecipeBatches

    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    return RecipeBatches(images, LABELS, 3, 4, recipe, seed)


def epoch(made: Any, number: int) -> list[np.ndarray]:
    made.begin(number)
    return [made[step][0] for step in range(len(made))]


def test_an_epoch_can_be_drawn_again_whatever_came_before() -> None:
    made = batches(ALL)
    first, second = epoch(made, 0), epoch(made, 1)
    for again, before in ((epoch(batches(ALL), 1), second), (epoch(made, 0), first)):
        for ours, theirs in zip(again, before, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], epoch(batches(ALL, seed=1), 0)[0])


def test_an_epoch_has_each_image_once() -> None:
    made = batches(Recipe(label_smoothing=0.1))
    made.begin(3)
    steps = [made[step] for step in range(len(made))]
    assert [len(images) for images, _ in steps] == [4, 4, 2]
    counts = sum(labels.argmax(axis=1).tolist().count(0) for _, labels in steps)
    assert counts == 6
    assert all(images.dtype == labels.dtype == np.float32 for images, labels in steps)


def test_smoothing_spreads_a_share_over_all_classes() -> None:
    from mineralsweep.training.batches import soft_labels

    found = soft_labels(LABELS, 3, Recipe(label_smoothing=0.3))
    np.testing.assert_allclose(found[0], [0.8, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("balance", "ratio"), [(0.0, 1.0), (0.5, 6**0.5), (1.0, 6.0)])
def test_balance_weighs_rare_classes_more_and_keeps_the_mean(balance: float, ratio: float) -> None:
    from mineralsweep.training.batches import class_weights, soft_labels

    weights = class_weights(LABELS, 3, balance)
    assert weights[2] / weights[0] == pytest.approx(ratio)
    assert soft_labels(LABELS, 3, Recipe(balance=balance)).sum() == pytest.approx(10)


def test_a_class_without_images_is_no_division_by_zero() -> None:
    from mineralsweep.training.batches import class_weights

    assert np.isfinite(class_weights(LABELS, 4, 1.0)).all()


def test_the_epoch_that_begins_is_told() -> None:
    from mineralsweep.training.batches import turning

    made = batches(ALL)
    turning(made).on_epoch_begin(4, None)
    np.testing.assert_array_equal(made[0][0], epoch(batches(ALL), 4)[0])
