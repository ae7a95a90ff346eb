"""Constructed evidence: answers that a test decides on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from mineralsweep.registry import Evidence

CLASSES = ("ash", "beech")


def name(number: int | str) -> str:
    """Return an image's digest."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def made(
    right: Sequence[bool], first: int = 0, learned: Sequence[int] = (), **changes: Any
) -> Evidence:
    """Return evidence of a model that is right on these images, numbered from `first`.

    Every other image is an ash. It learned from the images numbered in `learned`, and 1,000.
    """
    labels = [at % 2 for at in range(first, first + len(right))]
    probabilities = np.full((len(right), 2), 0.2, np.float32)
    for row, (label, fine) in enumerate(zip(labels, right, strict=True)):
        probabilities[row, label if fine else 1 - label] = 0.8
    fields: dict[str, Any] = {
        "source": "trees",
        "drawn": False,
        "classes": CLASSES,
        "images": tuple(name(at) for at in range(first, first + len(right))),
        "groups": tuple(range(len(right))),
        "labels": tuple(labels),
        "probabilities": probabilities,
        "learned": dict.fromkeys(map(name, [*learned, 1000]), "ash"),
        "latency_ms": 20.0,
        "size_bytes": 4_000_000,
    }
    return Evidence(**{**fields, **changes})


def answers(both: int, gained: int, lost: int, neither: int = 0) -> tuple[list[bool], list[bool]]:
    """Return what a champion and a challenger got right, given how often they differ."""
    champion = [True] * both + [False] * gained + [True] * lost + [False] * neither
    challenger = [True] * both + [True] * gained + [False] * lost + [False] * neither
    return champion, challenger
