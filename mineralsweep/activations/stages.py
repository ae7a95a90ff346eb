"""What the stages of a frozen backbone answer for each image, in one pass for all of them.

Of large activations their moments are kept, which are all that a probe pools: a few bytes, whatever
the size of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mineralsweep.activations import keys, store
from mineralsweep.activations.pooling import REGIONS, each, moments, moments_are_smaller
from mineralsweep.activations.store import Activations, NoRoom, Request
from mineralsweep.core.recipe import AXES, Flips
from mineralsweep.data import arrays

VERSION = 3
"""Of the activations: another one when the same key would give other numbers."""
BATCH = 16


@dataclass(frozen=True)
class StagesWanted:
    """What a backbone is to be asked.

    Attributes:
        stages: names, in the order of the network's answers.
        weights: what tells these weights from others, such as a digest of the file.
        arrays: the .npy file of decoded images; its name holds their digest and size.
        rows: of that file: all that any fold of the trial may see, so that folds share them.
        flips: the views of each image: itself, and which mirror images.
        precision: of the computation, "float32" or "bfloat16".
    """

    stages: tuple[str, ...]
    weights: str
    arrays: Path
    rows: tuple[int, ...]
    flips: Flips
    precision: str


def ensure(
    network: keras.Model, wanted: StagesWanted, say: Callable[[str], None]
) -> dict[str, list[Activations]]:
    """Return one array a stage and view, from the store or computed now.

    They are float32 moments where these are smaller, else bfloat16 activations: see
    `pooling.Views`.

    Args:
        network: takes pixels of one size, float (n, height, width, 3) in [0, 255]; one answer a
            stage.
        wanted: see there.
        say: is told of each view that is computed; and where one has no room in the store, and so
            is computed for this call alone.
    """
    compute = _Compute(network, wanted, say)
    views = range(len(AXES[wanted.flips]))
    # What another process computes is passed over, and waited for at the end.
    found = {view: compute.kept(view, wait=False) for view in views}
    each_view = [found[view] or compute.kept(view, wait=True) for view in views]
    by_stage = zip(wanted.stages, zip(*each_view, strict=True), strict=True)
    return {stage: list(activations) for stage, activations in by_stage}


class _Compute:
    """Runs the backbone over the images of one view, for the stages that lack it."""

    def __init__(
        self, network: keras.Model, wanted: StagesWanted, say: Callable[[str], None]
    ) -> None:
        self._network, self._wanted, self._say = network, wanted, say
        self._step = tf.function(self._kept, reduce_retracing=True)
        self._pixels = arrays.load(wanted.arrays)

    def kept(self, view: int, wait: bool) -> list[Activations] | None:
        """Return one array a stage; None where another process computes some, and we don't wait."""
        requests = self.requests(view)
        try:
            return store.ensure_together(requests, partial(self.view, view), wait)
        except NoRoom as error:
            self._say(f"{error}: not kept")
            arrays = [np.empty(one.shape, one.dtype) for one in requests]
            self.view(view, dict(enumerate(arrays)))
            return arrays

    def requests(self, view: int) -> list[Request]:
        wanted = self._wanted
        shapes = [one.shape[1:] for one in self._network.outputs]
        common: dict[str, str | int | float] = {
            "version": VERSION,
            "weights": wanted.weights,
            "images": wanted.arrays.name,
            "rows": keys.of_rows(wanted.rows),
            "precision": wanted.precision,
            "mirrored": str(AXES[wanted.flips][view]),
        }
        name = f"{self._network.name}, {arrays.size_of(wanted.arrays)}, {wanted.precision}"
        return [
            _smaller(
                Request(
                    {**common, "stage": stage},
                    (len(wanted.rows), *shape),
                    partial(self._alone, view, place),
                    name=f"{name}, {stage}",
                )
            )
            for place, (stage, shape) in enumerate(zip(wanted.stages, shapes, strict=True))
        ]

    def view(self, view: int, targets: Mapping[int, Activations]) -> None:
        """Fill the arrays of some stages, by their place."""
        rows, axes = self._wanted.rows, AXES[self._wanted.flips]
        self._say(f"backbone, {len(rows)} images, view {view + 1} of {len(axes)}")
        for start in range(0, len(rows), BATCH):
            part = slice(start, min(start + BATCH, len(rows)))
            images = np.flip(self._pixels[list(rows[part])], axes[view])
            answers = self._step(tf.constant(images, tf.float32))
            for place, target in targets.items():
                target[part] = answers[place].numpy()

    def _kept(self, images: Any) -> list[Any]:
        answers = each(self._network(images, training=False))
        return [moments(one) if moments_are_smaller(one.shape[1:]) else one for one in answers]

    def _alone(self, view: int, place: int, target: Activations) -> None:
        self.view(view, {place: target})


def _smaller(whole: Request) -> Request:
    """Return the request for the moments of activations, where these are fewer bytes."""
    rows, *shape = whole.shape
    if not moments_are_smaller(shape):
        return whole
    kept = (rows, REGIONS * (1 + shape[-1]), shape[-1])
    key = {**whole.key, "kept": "moments"}
    return replace(whole, key=key, shape=kept, dtype=np.dtype(np.float32))
