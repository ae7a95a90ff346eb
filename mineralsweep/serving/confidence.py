"""Probabilities that mean what they say: one temperature, fitted on held-out images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "confidence.json"
LEAST = 1e-6
"""What trees answer with 0 counts as."""
TEMPERATURES = (0.05, 20.0)


def with_temperature(
    probabilities: NDArray[np.floating[Any]], temperature: float, least: float = LEAST
) -> NDArray[np.float32]:
    """Return probabilities to the power of 1 / temperature, made to add up to 1.

    Temperature scaling: Guo et al. 2017, arXiv:1706.04599. The order of the classes stays.

    Args:
        probabilities: (n, classes), rows that add up to 1.
        temperature: above 1: less sure; below: surer; 1: as they are.
        least: probabilities are at least so large before their logarithm.
    """
    if temperature == 1.0:
        return np.asarray(probabilities, np.float32)
    logits = np.log(np.maximum(probabilities.astype(np.float64), least)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def save(temperature: float, held_out: int, folder: Path) -> None:
    """Write a temperature, and how many images it was fitted on."""
    (folder / FILE).write_text(
        json.dumps({"temperature": temperature, "held_out": held_out}), encoding="utf-8"
    )


def load(folder: Path) -> float:
    """Read a temperature; 1 where none was fitted.

    Raises:
        OSError, ValueError, KeyError: the file is damaged, or it is none of ours.
    """
    path = folder / FILE
    if not path.exists():
        return 1.0
    temperature = float(json.loads(path.read_text(encoding="utf-8"))["temperature"])
    low, high = TEMPERATURES
    if not low <= temperature <= high:
        raise ValueError(f"{path}: the temperature must be in [{low}, {high}], got {temperature}")
    return temperature
