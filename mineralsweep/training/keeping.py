"""Keeping a training's state between epochs, and taking it up again to the bit."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from mineralsweep.core.trial import TrialSpec
from mineralsweep.training import checkpoint
from mineralsweep.training.checkpoint import Checkpoint

MOST_OF_THE_TIME = 20
"""A checkpoint may take a twentieth of the training at most."""
SEED_STATE = "seed_generator_state"


def taken_up(spec: TrialSpec) -> Checkpoint | None:
    """Return the state that a trial goes on from: its own, else the other trial's, else None."""
    own = checkpoint.read(spec.checkpoint)
    if own is not None:
        return own
    others = checkpoint.read(spec.initial)
    # Another trial's end is not this one's.
    return None if others is None else replace(others, stop_reason=None, seconds=0.0)


def changing(whole: keras.Model) -> list[Any]:
    """Return the weights that training changes: all but those of frozen layers."""
    frozen = {
        id(weight) for layer in whole.layers if not layer.trainable for weight in layer.weights
    }
    return [weight for weight in whole.weights if id(weight) not in frozen]


def values(variables: list[Any]) -> list[Any]:
    """Return copies of what variables hold."""
    return [variable.numpy() for variable in variables]


def assign(variables: list[Any], given: checkpoint.Arrays) -> None:
    """Put values into variables.

    Raises:
        ValueError: there is another number of them, or one has another shape.
    """
    for variable, value in zip(variables, given, strict=True):
        variable.assign(value)


def take_up_optimizer(model: keras.Model, state: Checkpoint) -> None:
    """Give a compiled model, whose optimizer is built, the optimizer's state."""
    assign(model.optimizer.variables, state.optimizer)


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


class Keeper:
    """Writes checkpoints: seldom enough to cost next to nothing, often enough to be worth it.

    A state is written at the end of an epoch once `checkpoint_every` seconds have passed since the
    last one, and twenty times as long as the last one took to write.

    Args:
        spec: the trial.
    """

    def __init__(self, spec: TrialSpec) -> None:
        self._spec = spec
        self._last = time.monotonic()
        self._took = 0.0

    def is_due(self, over: bool) -> bool:
        """Say whether a state is to be written now; `over`: the training has ended."""
        if self._spec.checkpoint is None:
            return False
        if over:
            return self._spec.keep_last
        pause = max(self._spec.checkpoint_every, MOST_OF_THE_TIME * self._took)
        return time.monotonic() - self._last >= pause

    def write(self, state: Checkpoint) -> None:
        """Write a state.

        Raises:
            OSError: the disk takes no more.
        """
        assert self._spec.checkpoint is not None
        started = time.monotonic()
        checkpoint.write(self._spec.checkpoint, state)
        self._last = time.monotonic()
        self._took = self._last - started
