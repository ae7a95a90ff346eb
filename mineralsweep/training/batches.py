"""Training batches, and all that is drawn: functions of the seed, the epoch and the step alone."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from mineralsweep.activations.store import Features
from mineralsweep.core.recipe import Recipe
from mineralsweep.training import variations

SEED_STATE = "seed_generator_state"


class EpochBatches(Protocol):
    """Batches that follow from the epoch that they are turned to."""

    def begin(self, epoch: int) -> None:
        """Turn to an epoch, counted from 0."""


class RecipeBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Images in a new order each epoch, varied and mixed as the recipe says.

    What a step draws follows from (seed, epoch, step), so that a training taken up at an epoch
    goes on as if it had not been stopped.

    Args:
        images: uint8 (n, height, width, 3), RGB in [0, 255].
        labels: one class number an image.
        num_classes: of the labels.
        batch_size: images a step; the last step of an epoch takes what is left.
        recipe: what is done to a batch.
        seed: of all draws.

    A batch is float32 images in [0, 255] and float32 (batch, classes) labels. A label's row adds up
    to its image's weight, which is 1 without `balance`.
    """

    def __init__(
        self, images: Any, labels: Any, num_classes: int, batch_size: int, recipe: Recipe, seed: int
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._images = images
        self._labels = soft_labels(np.asarray(labels), num_classes, recipe)
        self._batch_size = batch_size
        self._recipe = recipe
        self._seed = seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Turn to an epoch, counted from 0."""
        self._epoch = epoch
        self._order = np.random.default_rng((self._seed, epoch)).permutation(len(self._labels))

    def __len__(self) -> int:
        return -(-len(self._labels) // self._batch_size)

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        rows = self._order[step * self._batch_size : (step + 1) * self._batch_size]
        random = np.random.default_rng((self._seed, self._epoch, step))
        images = self._images[rows].astype(np.float32)
        images = variations.crops(images, self._recipe.crop, random)
        images = variations.colours(images, self._recipe.colour, random)
        return variations.mix(images, self._labels[rows], self._recipe.mixup, random)


class PlainBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Images as they are, in a new order each epoch, which follows from (seed, epoch) alone.

    Args:
        images: uint8 (n, height, width, 3), RGB in [0, 255].
        labels: one class number an image.
        batch_size: images a step; the last step of an epoch takes what is left.
        seed: of the order.
    """

    def __init__(self, images: Any, labels: Any, batch_size: int, seed: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._images = images
        self._labels = np.asarray(labels)
        self._batch_size = batch_size
        self._seed = seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Turn to an epoch, counted from 0."""
        self._order = np.random.default_rng((self._seed, epoch)).permutation(len(self._labels))

    def __len__(self) -> int:
        return -(-len(self._labels) // self._batch_size)

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        rows = self._order[step * self._batch_size : (step + 1) * self._batch_size]
        return self._images[rows], self._labels[rows]


class ViewDraws(keras.utils.PyDataset):  # type: ignore[misc]
    """One view of each image an epoch, in an order: both drawn from (seed, epoch) alone.

    Args:
        views: one bfloat16 (images, ...) a view.
        labels: one an image.
        batch_size: images a step; the last step of an epoch takes what is left.
        seed: the same seed draws the same views in the same order.
    """

    def __init__(self, views: list[Features], labels: Any, batch_size: int, seed: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._views = views
        self._labels = labels
        self._batch_size = batch_size
        self._seed = seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Turn to an epoch, counted from 0."""
        random, count = np.random.default_rng((self._seed, epoch)), len(self._labels)
        self._order = random.permutation(count)
        self._drawn = random.integers(len(self._views), size=count)

    def __len__(self) -> int:
        return -(-len(self._labels) // self._batch_size)

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        rows = self._order[step * self._batch_size : (step + 1) * self._batch_size]
        images = [self._views[self._drawn[row]][row] for row in rows]
        return np.stack(images), self._labels[rows]


def soft_labels(labels: NDArray[np.int64], num_classes: int, recipe: Recipe) -> NDArray[np.float32]:
    """Return float32 (n, classes): smoothed labels, times their class's weight."""
    hard = np.eye(num_classes)[labels]
    smooth = hard * (1 - recipe.label_smoothing) + recipe.label_smoothing / num_classes
    weights = class_weights(labels, num_classes, recipe.balance)[labels]
    found: NDArray[np.float32] = (smooth * weights[:, None]).astype(np.float32)
    return found


def class_weights(
    labels: NDArray[np.int64], num_classes: int, balance: float
) -> NDArray[np.float64]:
    """Return one weight a class, such that an image's weight is 1 on average.

    Args:
        labels: one class number an image.
        num_classes: of the labels.
        balance: 0 weighs all images alike; at 1 the weights of each class's images add up alike.
    """
    counts = np.bincount(labels, minlength=num_classes)
    weights = np.maximum(counts, 1.0) ** -balance
    found: NDArray[np.float64] = weights / weights[labels].mean()
    return found


class EpochTold(keras.callbacks.Callback):  # type: ignore[misc]
    """Turns batches to the epoch that begins."""

    def __init__(self, batches: EpochBatches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batches.begin(epoch)


class Reseed(keras.callbacks.Callback):  # type: ignore[misc]
    """Starts each epoch's random numbers from the seed and the epoch alone.

    Dropout and augmentation draw from generators that go on from step to step. With this, a
    training taken up at an epoch draws what one that was not stopped would have drawn.

    Args:
        seed: of the trial.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        states = [one for one in self.model.variables if one.name == SEED_STATE]
        for place, state in enumerate(states):
            drawn = np.random.SeedSequence((self._seed, epoch, place)).generate_state(1)[0]
            state.assign(np.asarray([drawn >> 1, 0], dtype=state.dtype))
