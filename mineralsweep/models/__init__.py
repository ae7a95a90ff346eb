"""The architectures, by name. Naming one loads no TensorFlow; building a network does."""

from __future__ import annotations

from importlib import import_module

from mineralsweep.core.reference import is_reference
from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models import own_network
from mineralsweep.models.architecture import Architecture

FILES = (
    "model1", "model2", "vgg16", "compact", "colour_texture", "probe",
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
            from the working folder, or an absolute one) or `package.module:build`.

    Raises:
        ArchitectureError: there is none of this name, or the user's can't be loaded.
    """
    if is_reference(name):
        return own_network.load(name)
    if name not in ARCHITECTURES:
        raise ArchitectureError(
            f"architecture: unknown name '{name}'{did_you_mean(name, ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]
