"""What a catalogue looks like in numbers: images and their sizes, a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mineralsweep.data.catalog import Catalog


@dataclass(frozen=True)
class Spread:
    """Mean, median and quartiles of one length in pixels."""

    mean: float
    lower_quartile: float
    median: float
    upper_quartile: float


@dataclass(frozen=True)
class ClassProfile:
    """One class, or all of them together. `height` and `width` are None without images."""

    label: str
    count: int
    height: Spread | None
    width: Spread | None


def profile(catalog: Catalog) -> list[ClassProfile]:
    """Describe each class in order, then all together under the label "all"."""
    rows = [_describe(catalog, label) for label in catalog.classes]
    return [*rows, _describe(catalog, None)]


def _describe(catalog: Catalog, label: str | None) -> ClassProfile:
    facts = [image.facts for image in catalog.images if label in (None, image.label)]
    return ClassProfile(
        label or "all",
        len(facts),
        _spread([fact.height for fact in facts]),
        _spread([fact.width for fact in facts]),
    )


def _spread(lengths: list[int]) -> Spread | None:
    if not lengths:
        return None
    lower, median, upper = np.quantile(lengths, [0.25, 0.5, 0.75])
    return Spread(float(np.mean(lengths)), float(lower), float(median), float(upper))
