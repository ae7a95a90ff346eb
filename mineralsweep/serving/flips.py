"""Test-time flips: an image and its mirror images are answered together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core.recipe import Flips

FILE = "flips.json"

AXES: dict[Flips, tuple[tuple[int, ...], ...]] = {
    "none": ((),),
    "horizontal": ((), (2,)),
    "all": ((), (2,), (1,), (1, 2)),
}
"""The axes of (n, height, width, 3) that each view is mirrored along."""


def averaged(
    answer: Callable[[Any], NDArray[np.float32]], images: Any, flips: Flips
) -> NDArray[np.float32]:
    """Return the mean of the answers to the views of each image.

    Args:
        answer: takes images (n, height, width, 3), returns float32 (n, classes).
        images: (n, height, width, 3); with `flips` "none" of any shape.
        flips: which views; see `models.recipe.Recipe`.
    """
    if flips == "none":
        return answer(images)
    answers = [answer(np.flip(images, axes)) for axes in AXES[flips]]
    found: NDArray[np.float32] = np.mean(answers, axis=0, dtype=np.float32)
    return found


def save(flips: Flips, folder: Path) -> None:
    """Write the setting beside a network; nothing for "none", as before there were any."""
    if flips != "none":
        (folder / FILE).write_text(json.dumps(flips))


def load(folder: Path) -> Flips:
    """Read what `save` wrote.

    Raises:
        ValueError: the file holds something else.
    """
    path = folder / FILE
    if not path.exists():
        return "none"
    flips: Flips = json.loads(path.read_text())
    if flips not in AXES:
        raise ValueError(f"{path}: must be one of {', '.join(AXES)}, got {flips!r}")
    return flips
