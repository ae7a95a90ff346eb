"""A trial's optimizer and loss, as its recipe says."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from mineralsweep.core.recipe import Recipe
from mineralsweep.core.trial import TrialSpec

KINDS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
UNDECAYED = ("bias", "gamma", "beta")
"""Parts of the names of weights that are not decayed: they scale and shift."""


def optimizer(spec: TrialSpec, rate: float, epochs: int, steps: int) -> keras.optimizers.Optimizer:
    """Return the trial's optimizer, new.

    Args:
        spec: the trial.
        rate: the highest learning rate.
        epochs: that it will be used for; the cosine ends with them.
        steps: of an epoch.
    """
    recipe, more = spec.recipe, {}
    if recipe.weight_decay is not None:
        more["weight_decay"] = recipe.weight_decay
    if recipe.average_weights:
        more |= {"use_ema": True, "ema_momentum": recipe.average_weights}
    made = KINDS[spec.optimizer](learning_rate=schedule(spec, rate, epochs, steps), **more)
    if recipe.weight_decay:
        made.exclude_from_weight_decay(var_names=list(UNDECAYED))
    return made


def schedule(spec: TrialSpec, rate: float, epochs: int, steps: int) -> Any:
    """Return the learning rate, or what gives it for a step; see `optimizer`."""
    if spec.recipe.schedule == "cosine":
        warmup = min(spec.recipe.warmup, epochs - 1) * steps
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            decay_steps=epochs * steps - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    if spec.decay:
        return keras.optimizers.schedules.InverseTimeDecay(
            rate, decay_steps=1, decay_rate=spec.decay
        )
    return rate


def loss(recipe: Recipe) -> keras.losses.Loss:
    """Return the cross-entropy for class numbers, or for the shares that a recipe makes of them."""
    if recipe.draws_batches():
        return keras.losses.CategoricalCrossentropy()
    return keras.losses.SparseCategoricalCrossentropy()


def validation_labels(spec: TrialSpec) -> Any:
    """Return the labels of the validation images in the form that `loss` takes, unchanged."""
    labels = np.asarray(spec.examples.validation_labels)
    if spec.recipe.draws_batches():
        return np.eye(len(spec.examples.classes), dtype=np.float32)[labels]
    return labels
