"""What became of a collection since the champion learned from it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException

from mineralsweep.data.dataset import Dataset
from mineralsweep.registry.evidence import Evidence
from mineralsweep.registry.versions import CHAMPION, Versions

NAMED = 5
"""Files that are named, at most."""


def learned_before(versions: Versions) -> Earlier | None:
    """Return what is known of the champion's images, None where there is none, or no evidence."""
    with contextlib.suppress(MlflowException):
        version = versions.holder(CHAMPION)
        evidence = versions.evidence(version) if version else None
        if evidence is not None:
            return Earlier(f"champion version {version}", evidence, versions.split_of(version))
    return None


@dataclass(frozen=True)
class Earlier:
    """What the champion learned from and was tested on.

    Images are known by their content: a file that was renamed is no other one.

    Attributes:
        name: of the champion, in a sentence.
        evidence: its test images, and what it learned.
        split: how the split was asked for: "shares", "seed".
    """

    name: str
    evidence: Evidence
    split: Mapping[str, Any]

    def changes(self, dataset: Dataset) -> list[str]:
        """Return lines on what changed since; none where nothing did, or in another collection."""
        images = dataset.catalog.images
        rows = {image.digest: row for row, image in enumerate(images)}
        known = self.evidence.learned.keys() | set(self.evidence.images)
        if not known & rows.keys():
            return []
        added, gone = rows.keys() - known, known - rows.keys()
        told = [f"{len(added)} images added"] * bool(added) + [f"{len(gone)} gone"] * bool(gone)
        told += self._relabelled(dataset, rows)
        classes = self.evidence.classes
        new = [label for label in dataset.classes if label not in classes]
        lost = [label for label in classes if label not in dataset.classes]
        told += [f"new classes: {', '.join(new)}"] * bool(new)
        told += [f"classes that are gone: {', '.join(lost)}"] * bool(lost)
        lines = [f"Since {self.name}: {'; '.join(told)}"] if told else []
        truth = self.evidence.truth()
        tested = {images[row].digest for row in dataset.split.test}
        opened = truth.keys() & rows.keys() - tested
        if opened:
            lines.append(
                f"{len(opened)} of the {len(truth)} test images of {self.name} would be trained or"
                f" validated on now{self._to_keep_them(dataset)}"
            )
        return lines

    def kept_in_test(self, dataset: Dataset) -> list[str]:
        """Return the champion's test images that a grown collection's split would train on.

        The champion and a later model are compared on images that neither has learned from. So
        what was tested on stays so, as long as the split is asked for in the same way.

        Returns:
            Digests, sorted; none where the champion has another split, or other images.
        """
        if dataset.given() or not self._asked_alike(dataset):
            return []
        images = dataset.catalog.images
        held = {images[row].digest for row in dataset.pool()}
        return sorted(held.intersection(self.evidence.images))

    def _asked_alike(self, dataset: Dataset) -> bool:
        asked = (dataset.shares, dataset.split_seed)
        return (self.split.get("shares"), self.split.get("seed")) == asked

    def _relabelled(self, dataset: Dataset, rows: Mapping[str, int]) -> list[str]:
        images, file = dataset.catalog.images, dataset.catalog.file
        found = [
            f"{file(rows[digest])} ({label}, now {images[rows[digest]].label})"
            for digest, label in {**self.evidence.learned, **self.evidence.truth()}.items()
            if label and digest in rows and images[rows[digest]].label != label
        ]
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        named = f"images with another label: {', '.join(found[:NAMED])}{more}"
        return [named] * bool(found)

    def _to_keep_them(self, dataset: Dataset) -> str:
        """Say which settings keep its test images in test, where others were given."""
        shares, seed = self.split.get("shares"), self.split.get("seed")
        if self._asked_alike(dataset) or not isinstance(shares, str):
            return ""
        return f"; to keep them in test: --set data.split={shares} data.split_seed={seed}"
