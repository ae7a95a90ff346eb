"""What became of a collection since the champion learned from it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from mlflow.exceptions import MlflowException

from mineralsweep.data.dataset import Dataset
from mineralsweep.registry.evidence import Evidence
from mineralsweep.registry.versions import CHAMPION, Versions

NAMED = 5
"""Files that are named."""


def since_champion(versions: Versions, dataset: Dataset) -> list[str]:
    """Return lines on what changed; none where there is no champion, or nothing changed.

    Images are known by their content: a file that was renamed is no other one.
    """
    with contextlib.suppress(MlflowException):
        version = versions.holder(CHAMPION)
        evidence = versions.evidence(version) if version else None
        if evidence is not None:
            told = versions.split_of(version)
            return _changes(evidence, dataset, f"champion version {version}", told)
    return []


def kept_in_test(versions: Versions, dataset: Dataset) -> list[str]:
    """Return the champion's test images that a grown collection's split would train on.

    The champion and a later model are compared on images that neither has learned from. So what
    was tested on stays so, as long as the split is asked for in the same way.

    Returns:
        Digests, sorted; none where the champion has another split, or other images.
    """
    with contextlib.suppress(MlflowException):
        version = versions.holder(CHAMPION)
        evidence = versions.evidence(version) if version else None
        if evidence is None or dataset.given():
            return []
        told = versions.split_of(version)
        if (told.get("shares"), told.get("seed")) != (dataset.shares, dataset.split_seed):
            return []
        images = dataset.catalog.images
        held = {images[row].digest for row in dataset.pool()}
        return sorted(held.intersection(evidence.images))
    return []


def _changes(
    evidence: Evidence, dataset: Dataset, name: str, split: Mapping[str, Any]
) -> list[str]:
    images, files = dataset.catalog.images, dataset.catalog.file
    rows = {image.digest: row for row, image in enumerate(images)}
    known = evidence.learned | set(evidence.images)
    if not known & rows.keys():
        return []  # another collection
    added, gone = rows.keys() - known, known - rows.keys()
    truth = evidence.truth()
    relabelled = [
        f"{files(rows[digest])} ({label}, now {images[rows[digest]].label})"
        for digest, label in truth.items()
        if digest in rows and images[rows[digest]].label != label
    ]
    told = [f"{len(added)} images added"] * bool(added) + [f"{len(gone)} gone"] * bool(gone)
    if relabelled:
        more = f" and {len(relabelled) - NAMED} more" if len(relabelled) > NAMED else ""
        told.append(f"test images with another label: {', '.join(relabelled[:NAMED])}{more}")
    new = [label for label in dataset.classes if label not in evidence.classes]
    lost = [label for label in evidence.classes if label not in dataset.classes]
    told += [f"new classes: {', '.join(new)}"] * bool(new)
    told += [f"classes that are gone: {', '.join(lost)}"] * bool(lost)
    lines = [f"Since {name}: {'; '.join(told)}"] if told else []
    tested = {images[row].digest for row in dataset.split.test}
    opened = truth.keys() & rows.keys() - tested
    if opened:
        lines.append(
            f"{len(opened)} of the {len(truth)} test images of {name} would be trained or validated"
            f" on now{_to_keep_them(dataset, split)}"
        )
    return lines


def _to_keep_them(dataset: Dataset, split: Mapping[str, Any]) -> str:
    """Say which settings keep the champion's test images in test, where others were given."""
    shares, seed = split.get("shares"), split.get("seed")
    if (shares, seed) == (dataset.shares, dataset.split_seed) or not isinstance(shares, str):
        return ""
    return f"; to keep them in test: --set data.split={shares} data.split_seed={seed}"
