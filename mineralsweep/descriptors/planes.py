"""One image as the planes that its numbers are taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels

Plane = NDArray[np.float32]
"""float32 (height, width), in [0, 1]."""

LAB_RANGE = np.array([[0, 100], [-128, 127], [-128, 127]], np.float32)


@dataclass(frozen=True)
class Planes:
    """`hsv` and `lab` are float32 (height, width, 3), each channel scaled to [0, 1]."""

    hsv: NDArray[np.float32]
    lab: NDArray[np.float32]

    @property
    def lightness(self) -> Plane:
        """CIE L*, the plane that texture is read from."""
        return self.lab[..., 0]


def of(image: Pixels) -> Planes:
    """Return the planes of one image, uint8 (height, width, 3), RGB in [0, 255].

    Lab is CIE L*a*b* for sRGB under D65.
    """
    from skimage.color import rgb2hsv, rgb2lab

    rgb = image.astype(np.float32) / np.float32(255)
    lab = (rgb2lab(rgb) - LAB_RANGE[:, 0]) / (LAB_RANGE[:, 1] - LAB_RANGE[:, 0])
    return Planes(rgb2hsv(rgb).astype(np.float32), np.clip(lab, 0, 1).astype(np.float32))
