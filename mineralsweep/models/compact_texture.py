"""The compact network and hand-crafted colour and texture features, answering together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mineralsweep.core.hyperparameter import Value
from mineralsweep.models.colour_texture import COLOUR_TEXTURE
from mineralsweep.models.compact import COMPACT

if TYPE_CHECKING:
    import keras


def build(
    input_shape: tuple[int, int, int], num_classes: int, **hyperparameters: Value
) -> keras.Model:
    """Build the network alone: the estimator is fitted after it, by itself."""
    own = {one.name: hyperparameters[one.name] for one in COMPACT.own}
    return COMPACT.build(input_shape, num_classes, **own)


COMPACT_TEXTURE = replace(
    COMPACT,
    name="compact_texture",
    summary="a soft vote of compact and colour_texture",
    builder=build,
    own=(*COMPACT.own, *COLOUR_TEXTURE.own),
    smallest=max(COMPACT.smallest, COLOUR_TEXTURE.smallest),
    voters=(COMPACT.name, COLOUR_TEXTURE.name),
)

ARCHITECTURES = (COMPACT_TEXTURE,)
