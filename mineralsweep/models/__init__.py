"""The architectures, by name. Naming one loads no TensorFlow; building a network does."""

from __future__ import annotations

import functools
from importlib import import_module

from mineralsweep.core.reference import is_reference
from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models import own_network, vote
from mineralsweep.models.architecture import Architecture

FILES = (
    "model1", "model2", "vgg16", "compact", "colour_texture", "probe", "finetune",
)  # fmt: skip
"""Of this package; each holds `ARCHITECTURES`. A new one is a file, and its name here."""

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for file in FILES
    for architecture in import_module(f"{__name__}.{file}").ARCHITECTURES
}
"""Open: code that uses the package may add its own."""


def get(name: str) -> Architecture:
    """Return the architecture called `name`.

    Args:
        name: one of ARCHITECTURES; or, for a network of the user's own, `my_nets.py:build` (a path
            from the working folder, or an absolute one) or `package.module:build`; or several
            joined by "+", which answer together.

    Raises:
        ArchitectureError: there is none of this name, or the user's can't be loaded.
    """
    if vote.is_vote(name):
        return _vote(name)
    if is_reference(name):
        return own_network.load(name)
    if name not in ARCHITECTURES:
        raise ArchitectureError(
            f"architecture: unknown name '{name}'{did_you_mean(name, ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]


@functools.lru_cache(maxsize=64)
def _vote(name: str) -> Architecture:
    return vote.of(name, get)


def is_known(name: str) -> bool:
    """Say whether a name is that of an architecture, or can be one of the user's own."""
    if is_reference(name):
        return True
    return all(one.strip() in ARCHITECTURES for one in name.split(vote.SIGN))
