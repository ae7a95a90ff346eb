"""The frozen part of a network, run once for each image and view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from mineralsweep.activations import keys, store
from mineralsweep.activations.store import Activations, Request
from mineralsweep.core.recipe import AXES, Flips
from mineralsweep.data import arrays, augment

VERSION = 2
"""Of the activations: another one when the same key would give other numbers."""
BATCH = 32
MOST_VIEWS = 1_000

Build = Callable[[Activations], None]


class Segmenter(Protocol):
    """Cuts a built network at the border of its frozen part; the pieces share its layers.

    A cut is named by the unfrozen parts of the trunk above it: `segment(model, None, 4)` goes from
    pixels to the output of what stays frozen with 4 of them, `segment(model, 4, None)` from there
    to the probabilities, and `segment(model, 8, 4)` from a deeper cut to that one.
    """

    def __call__(self, model: keras.Model, start: int | None, stop: int | None) -> keras.Model: ...


@dataclass(frozen=True)
class ActivationsWanted:
    """What a frozen trunk is to be asked.

    Attributes:
        segment: cuts the network.
        cut: how many of the trunk's layers are above the cut.
        through: a deeper cut (or the same) whose output is kept too, and used to get to this one,
            so that every cut of one sweep costs one pass over the pixels.
        arrays: the .npy file of decoded images; its name holds their digest and size.
        rows: of that file.
        strength: of the augmentation, in [0, 1].
        views: of each image, drawn anew; where the strength is 0, they are those of `flips`.
        seed: of the views.
        precision: of the computation, "float32" or "bfloat16".
        flips: the views of an image that is not augmented: itself, and which mirror images.
    """

    segment: Segmenter
    cut: int
    through: int
    arrays: Path
    rows: tuple[int, ...]
    strength: float
    views: int
    seed: int
    precision: str
    flips: Flips = "none"

    def count(self) -> int:
        """Return how many views there are of each image."""
        return self.views if self.strength else len(AXES[self.flips])

    def mirrored(self, view: int) -> tuple[int, ...]:
        """Return the axes of (n, height, width, 3) that a view is mirrored along."""
        return () if self.strength else AXES[self.flips][view]


def ensure(
    model: keras.Model, wanted: ActivationsWanted, say: Callable[[str], None]
) -> list[Activations]:
    """Return one bfloat16 (images, *shape of the cut) a view, from the store or computed now.

    Args:
        model: the whole network, built without augmentation and in `wanted.precision`.
        wanted: see there.
        say: is told of each view that is computed.

    Raises:
        NoRoom: they are larger than the store's cap or the disk allows.
    """
    return store.ensure(_requests(model, wanted, say))


def _requests(
    model: keras.Model, wanted: ActivationsWanted, say: Callable[[str], None]
) -> list[Request]:
    prefix = wanted.segment(model, None, wanted.cut)
    shape = (len(wanted.rows), *prefix.output_shape[1:])
    common: dict[str, str | int | float] = {
        "version": VERSION,
        "weights": keys.of_weights(prefix),
        "cut": wanted.cut,
        "through": wanted.through,
        "images": wanted.arrays.name,
        "rows": keys.of_rows(wanted.rows),
        "strength": wanted.strength,
        "seed": wanted.seed if wanted.strength else 0,
        "precision": wanted.precision,
    }
    if wanted.cut == wanted.through:
        builders = _from_pixels(prefix, wanted, say)
    else:
        builders = _from_deeper(model, wanted, say)
    name = (
        f"{model.name}, unfrozen {wanted.cut}, {arrays.size_of(wanted.arrays)}, augmentation"
        f" {wanted.strength:g}, {wanted.precision}"
    )
    return [
        Request({**common, **_view(wanted, view)}, shape, build, name=name)
        for view, build in enumerate(builders)
    ]


def _view(wanted: ActivationsWanted, view: int) -> dict[str, str | int]:
    """Return what tells a view from others; mirror images are the same in every setting."""
    return {"view": view} if wanted.strength else {"mirrored": str(wanted.mirrored(view))}


def _from_deeper(
    model: keras.Model, wanted: ActivationsWanted, say: Callable[[str], None]
) -> list[Build]:
    """Return what fills each view from the same view at the deeper cut."""
    deeper = _requests(model, replace(wanted, cut=wanted.through), say)
    step = tf.function(wanted.segment(model, wanted.through, wanted.cut), reduce_retracing=True)

    def build(view: int, target: Activations) -> None:
        (start,) = store.ensure([deeper[view]])
        for part in _batches(len(target)):
            target[part] = step(tf.constant(start[part])).numpy()

    return [partial(build, view) for view in range(wanted.count())]


def _from_pixels(
    prefix: keras.Model, wanted: ActivationsWanted, say: Callable[[str], None]
) -> list[Build]:
    """Return what fills each view from the images; a view has random numbers of its own."""
    pixels = arrays.load(wanted.arrays)
    step = tf.function(prefix, reduce_retracing=True)

    def build(view: int, target: Activations) -> None:
        say(f"frozen trunk, {len(target)} images, view {view + 1} of {wanted.count()}")
        vary = augment.layers(wanted.strength, seed=wanted.seed * MOST_VIEWS + view)
        for part in _batches(len(target)):
            seen = np.flip(pixels[list(wanted.rows[part])], wanted.mirrored(view))
            images = tf.constant(seen, tf.float32)
            for layer in vary:
                images = layer(images, training=True)
            target[part] = step(images).numpy()

    return [partial(build, view) for view in range(wanted.count())]


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BATCH, count)) for start in range(0, count, BATCH))
