"""The moving average of a network's weights, put in their place for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Let `model` have its averaged weights inside; its own come back afterwards.

    The average lies in the optimizer, and so in what is saved of it. An optimizer without one
    changes nothing.
    """
    if not model.optimizer.use_ema:
        yield
        return
    own = [variable.numpy() for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


class ValidateAveraged(keras.callbacks.Callback):  # type: ignore[misc]
    """Validates a network with its averaged weights."""

    def __init__(self) -> None:
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs: Any = None) -> None:
        self._swap.enter_context(averaged(self.model))

    def on_test_end(self, logs: Any = None) -> None:
        self._swap.close()
