"""The architectures, by name. Naming one loads no TensorFlow; building a network does."""

from __future__ import annotations

from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models.architecture import Architecture
from mineralsweep.models.colour_texture import COLOUR_TEXTURE
from mineralsweep.models.compact import COMPACT
from mineralsweep.models.compact_texture import COMPACT_TEXTURE
from mineralsweep.models.model1 import MODEL1
from mineralsweep.models.model2 import MODEL2, MODEL2_1
from mineralsweep.models.vgg16 import VGG16

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        MODEL1,
        MODEL2,
        MODEL2_1,
        VGG16,
        COMPACT,
        COLOUR_TEXTURE,
        COMPACT_TEXTURE,
    )
}


def get(name: str) -> Architecture:
    """Return the architecture called `name`.

    Raises:
        ArchitectureError: there is none of this name.
    """
    if name not in ARCHITECTURES:
        raise ArchitectureError(
            f"architecture: unknown name '{name}'{did_you_mean(name, ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]
