"""Whether an exported model answers as the served one does."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = "parity.json"


@dataclass(frozen=True)
class Parity:
    """An exported model beside the served one, on the same images, in one run.

    Attributes:
        images: which they are, in words.
        compared: how many.
        same_labels: of how many both name the same class.
        largest_difference: between two probabilities.
        read_alike: of how many `classify.py` makes the same pixels as training did.
        served_per_second: images, asked in requests of 32, on all cores; files are decoded, and
            the novelty is measured too.
        exported_per_second: images, asked one at a time, on all cores; files are decoded.
    """

    images: str
    compared: int
    same_labels: int
    largest_difference: float
    read_alike: int
    served_per_second: float
    exported_per_second: float

    @property
    def agrees(self) -> bool:
        return self.same_labels == self.compared

    def save(self, folder: Path) -> None:
        """Write it as `parity.json`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def same_labels(one: NDArray[np.float32], other: NDArray[np.float32]) -> int:
    """Count the rows of (n, classes) whose largest columns are the same."""
    return int((one.argmax(axis=1) == other.argmax(axis=1)).sum())
