"""The compact network and colour and texture in numbers, answering together."""

from __future__ import annotations

from dataclasses import replace

from mineralsweep.models.colour_texture import COLOUR_TEXTURE
from mineralsweep.models.compact import COMPACT

COMPACT_TEXTURE = replace(
    COMPACT,
    name="compact_texture",
    smallest=max(COMPACT.smallest, COLOUR_TEXTURE.smallest),
    summary="a soft vote of compact and colour_texture",
    own=(*COMPACT.own, *COLOUR_TEXTURE.own),
    voters=(COMPACT.name, COLOUR_TEXTURE.name),
)
"""What is built and trained epoch by epoch is the network; the estimator is fitted after it."""

ARCHITECTURES = (COMPACT_TEXTURE,)
