"""The frozen part of a network, run once for each image and view."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mineralsweep import augment
from mineralsweep.data import arrays
from mineralsweep.features import store
from mineralsweep.features.store import Features, Key
from mineralsweep.models.architecture import Segmenter

VERSION = 1
"""Of the features: another one when the same key would give other numbers."""
BATCH = 32


@dataclass(frozen=True)
class FeaturesWanted:
    """What a frozen trunk is to be asked.

    Attributes:
        segment: cuts the network.
        cut: how many of the trunk's layers are above the cut.
        through: a deeper cut (or the same) whose output is kept too, and used to get to this one,
            so that every cut of one sweep costs one pass over the pixels.
        arrays: the .npy file of decoded images; its name holds their digest and size.
        rows: of that file.
        strength: of the augmentation, in [0, 1].
        views: of each image; 1 where the strength is 0.
        seed: of the views.
        precision: of the computation, "float32" or "bfloat16".
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


def ensure(model: keras.Model, wanted: FeaturesWanted) -> Features:
    """Return bfloat16 (views, images, *shape of the cut), from the store or computed now.

    Args:
        model: the whole network, built without augmentation and in `wanted.precision`.
        wanted: see there.

    Raises:
        NoRoomForFeatures: they are larger than the store's cap or the disk allows.
    """
    prefix = wanted.segment(model, None, wanted.cut)
    shape = (wanted.views, len(wanted.rows), *prefix.output_shape[1:])
    return store.ensure(
        _key(prefix, wanted), shape, lambda target: _compute(model, prefix, wanted, target)
    )


def _key(prefix: keras.Model, wanted: FeaturesWanted) -> Key:
    return {
        "version": VERSION,
        "weights": _digest(prefix),
        "cut": wanted.cut,
        "through": wanted.through,
        "images": wanted.arrays.name,
        "rows": hashlib.sha256(repr(wanted.rows).encode()).hexdigest()[:16],
        "strength": wanted.strength,
        "views": wanted.views,
        "seed": wanted.seed if wanted.strength else 0,
        "precision": wanted.precision,
    }


def _digest(prefix: keras.Model) -> str:
    found = hashlib.sha256()
    for weight in prefix.get_weights():
        found.update(np.ascontiguousarray(weight).tobytes())
    return found.hexdigest()[:16]


def _compute(
    model: keras.Model, prefix: keras.Model, wanted: FeaturesWanted, target: Features
) -> None:
    if wanted.cut == wanted.through:
        _from_pixels(prefix, wanted, target)
        return
    deeper = ensure(model, replace(wanted, cut=wanted.through))
    step = tf.function(wanted.segment(model, wanted.through, wanted.cut), reduce_retracing=True)
    for view in range(wanted.views):
        for part in _batches(len(wanted.rows)):
            target[view, part] = step(tf.constant(deeper[view, part])).numpy()


def _from_pixels(prefix: keras.Model, wanted: FeaturesWanted, target: Features) -> None:
    pixels = arrays.load(wanted.arrays)
    vary = augment.layers(wanted.strength, wanted.seed)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def answer(images: tf.Tensor) -> tf.Tensor:
        for layer in vary:
            images = layer(images, training=True)
        return prefix(images, training=False)

    for view in range(wanted.views):
        for part in _batches(len(wanted.rows)):
            images = pixels[list(wanted.rows[part])]
            target[view, part] = answer(tf.constant(images, tf.float32)).numpy()


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BATCH, count)) for start in range(0, count, BATCH))
