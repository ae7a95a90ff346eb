"""Which precision a network is trained in on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from mineralsweep import machine

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
