"""How a network is compiled: its optimizer, its loss, and the precision that it computes in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mineralsweep import machine
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


def optimizer(
    spec: TrialSpec,
    rate: float,
    epochs: int,
    steps: int,
    factors: Mapping[int, float] | None = None,
) -> keras.optimizers.Optimizer:
    """Return the trial's optimizer, new.

    Args:
        spec: the trial.
        rate: the highest learning rate.
        epochs: that it will be used for; the cosine ends with them.
        steps: of an epoch.
        factors: of the rate, by the id of a variable; 1 for the others.
    """
    recipe, more = spec.recipe, {}
    if recipe.weight_decay is not None:
        more["weight_decay"] = recipe.weight_decay
    if recipe.average_weights:
        more |= {"use_ema": True, "ema_momentum": recipe.average_weights}
    kind = _with_factors(KINDS[spec.optimizer], factors) if factors else KINDS[spec.optimizer]
    made = kind(learning_rate=schedule(spec, rate, epochs, steps), **more)
    if recipe.weight_decay:
        made.exclude_from_weight_decay(var_names=list(UNDECAYED))
    return made


def _with_factors(kind: Any, factors: Mapping[int, float]) -> Any:
    """Return a kind of optimizer that multiplies the rate by a variable's factor.

    Decoupled weight decay keeps to the one rate for all.
    """

    class WithFactors(kind):  # type: ignore[misc]
        def build(self, variables: Any) -> None:
            super().build(variables)
            # A step gets TensorFlow's variables, which Keras's hold.
            self.of_value = {id(one.value): factors.get(id(one), 1.0) for one in variables}

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            factor = self.of_value[id(variable)]
            super().update_step(gradient, variable, learning_rate * factor)

    return WithFactors


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


POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
FIRST_WITH_BFLOAT16 = (8, 0)
"""NVIDIA's compute capability: Ampere and later."""


def choose(setting: str, gains: bool = True) -> str:
    """Turn "auto" into "bfloat16" where the GPU, or without one the processor, has it.

    Args:
        setting: "auto", or the precision itself.
        gains: the network is faster in bfloat16; without, "auto" is "float32".
    """
    if setting != "auto":
        return setting
    if not gains:
        return "float32"
    found = tf.config.list_physical_devices("GPU")
    if found:
        details = tf.config.experimental.get_device_details(found[0])
        fast = details.get("compute_capability", (0, 0)) >= FIRST_WITH_BFLOAT16
    else:
        fast = machine.has_bfloat16()
    return "bfloat16" if fast else "float32"


@contextlib.contextmanager
def used(precision: str) -> Iterator[None]:
    """Layers made inside compute in `precision`; weights and the last layer are float32."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)
