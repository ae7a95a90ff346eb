"""Training batches, and all that is drawn: functions of the seed, the epoch and the step alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.recipe import Recipe
from mineralsweep.training import variations

SEED_STATE = "seed_generator_state"


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Images as they are, in a new order each epoch, which follows from (seed, epoch) alone.

    Args:
        images: uint8 (n, height, width, 3), RGB in [0, 255].
        labels: one class number an image.
        batch_size: images a step; the last step of an epoch takes what is left.
        seed: of all draws.
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
        self._epoch = epoch
        self._random = np.random.default_rng((self._seed, epoch))
        self._order = self._random.permutation(len(self._labels))

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the images of a step, counted from 0."""
        rows: NDArray[np.int64] = self._order[step * self._batch_size :][: self._batch_size]
        return rows

    def __len__(self) -> int:
        return -(-len(self._labels) // self._batch_size)

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        rows = self.rows(step)
        return self._images[rows], self._labels[rows]


class RecipeBatches(Batches):
    """Images varied and mixed as the recipe says, by draws that follow from (seed, epoch, step).

    A training taken up at an epoch goes on as if it had not been stopped. A batch is float32 images
    in [0, 255] and float32 (batch, classes) labels. A label's row adds up to its image's weight,
    which is 1 without `balance`.

    Args:
        images, labels, batch_size, seed: as for `Batches`.
        num_classes: of the labels.
        recipe: what is done to a batch.
    """

    def __init__(
        self, images: Any, labels: Any, num_classes: int, batch_size: int, recipe: Recipe, seed: int
    ) -> None:
        soft = soft_labels(np.asarray(labels), num_classes, recipe)
        super().__init__(images, soft, batch_size, seed)
        self._recipe = recipe

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        random = np.random.default_rng((self._seed, self._epoch, step))
        images, labels = super().__getitem__(step)
        images = variations.crops(images.astype(np.float32), self._recipe.crop, random)
        images = variations.colours(images, self._recipe.colour, random)
        return variations.mix(images, labels, self._recipe.mixup, random)


class ViewDraws(Batches):
    """One view of each image an epoch, drawn from (seed, epoch) alone.

    Args:
        images: one bfloat16 (rows, ...) a view.
        places: of the images, in order, among the rows of a view.
        labels, batch_size, seed: as for `Batches`.
    """

    def __init__(self, images: Any, places: Any, labels: Any, batch_size: int, seed: int) -> None:
        self._places = np.asarray(places)
        super().__init__(images, labels, batch_size, seed)

    def begin(self, epoch: int) -> None:
        super().begin(epoch)
        self._drawn = self._random.integers(len(self._images), size=len(self._labels))

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        rows = self.rows(step)
        views = [self._images[self._drawn[row]][self._places[row]] for row in rows]
        return np.stack(views), self._labels[rows]


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


def turning(batches: Batches) -> keras.callbacks.Callback:
    """Return what turns batches to each epoch of a training as it begins."""
    return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.begin(epoch))


class Reseed(keras.callbacks.Callback):  # type: ignore[misc]
    """Starts each epoch's random numbers from the seed and the epoch alone.

    Dropout and augmentation draw from generators that go on from step to step. With this, a
    training taken up at an epoch draws what one that was not stopped would have drawn.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        states = [one for one in self.model.variables if one.name == SEED_STATE]
        for place, state in enumerate(states):
            drawn = np.random.SeedSequence((self._seed, epoch, place)).generate_state(1)[0]
            state.assign(np.asarray([drawn >> 1, 0], dtype=state.dtype))
