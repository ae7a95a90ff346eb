"""The weights that training changes, and their moving average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from mineralsweep.training.checkpoint import Arrays


def changing(model: keras.Model) -> list[Any]:
    """Return the weights that training changes, moving statistics included.

    All but those of frozen layers, which stay as they were built; within a trunk that is partly
    frozen too.
    """
    frozen = {
        id(weight) for layer in _layers(model) if not layer.trainable for weight in layer.weights
    }
    return [weight for weight in model.weights if id(weight) not in frozen]


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Give the layers of a model, and of the models within it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def values(variables: Sequence[Any]) -> list[Any]:
    """Return copies of what variables hold."""
    return [variable.numpy() for variable in variables]


def assign(variables: Sequence[Any], given: Arrays) -> None:
    """Put values into variables.

    Raises:
        ValueError: there is another number of them, or one has another shape.
    """
    for variable, value in zip(variables, given, strict=True):
        variable.assign(value)


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Let `model` have its averaged weights inside; its own come back afterwards, to the bit.

    The average lies in the optimizer, and so in what is saved of it. An optimizer without one
    changes nothing.
    """
    if not model.optimizer.use_ema:
        yield
        return
    own = values(model.trainable_variables)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        assign(model.trainable_variables, own)


class ValidateAveraged(keras.callbacks.Callback):  # type: ignore[misc]
    """Validates a network with its averaged weights."""

    def __init__(self) -> None:
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs: Any = None) -> None:
        self._swap.enter_context(averaged(self.model))

    def on_test_end(self, logs: Any = None) -> None:
        self._swap.close()
