"""A model's scores on a folder of images, those that it has learned from left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mineralsweep.data.catalog import Catalog
from mineralsweep.errors import DataError, InputError
from mineralsweep.evaluation import Scores, score
from mineralsweep.registry.candidate import find
from mineralsweep.registry.evidence import Evidence, ask
from mineralsweep.registry.files import fetched, open_folder
from mineralsweep.tracking import Store


@dataclass(frozen=True)
class Evaluated:
    """Scores on some images.

    Attributes:
        scores: with their intervals.
        learned: images that were left out, for the model has learned from them; None where
            it is not known which these are.
        tested: images among those asked that are in the model's own test split.
    """

    scores: Scores
    learned: int | None
    tested: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {"scores": self.scores.to_dict(), "learned": self.learned, "tested": self.tested}


def evaluate(store: Store, uri: str, catalog: Catalog) -> Evaluated:
    """Ask a model about every image of a catalogue that it has not learned from.

    Raises:
        InputError: the model can't be loaded or knows other classes, or it has learned from
            every image.
    """
    evidence = _evidence(store, uri)
    learned = evidence.learned if evidence else frozenset()
    images = [image for image in catalog.images if image.digest not in learned]
    if not images:
        raise DataError(
            f"{catalog.root}: the model has learned from every usable image; give others"
        )
    with fetched(uri) as folder:
        probabilities = ask(open_folder(folder).predict, images, catalog.classes)
    labels = [catalog.classes.index(image.label) for image in images]
    tested = set(evidence.images) if evidence else set()
    return Evaluated(
        score(probabilities, labels, catalog.classes),
        len(catalog.images) - len(images) if evidence else None,
        sum(image.digest in tested for image in images),
    )


def _evidence(store: Store, uri: str) -> Evidence | None:
    """Return what is kept of a registered version; other addresses have left nothing."""
    if uri.startswith("models:/m-") or not uri.startswith("models:/"):
        return None
    try:
        versions, version = find(store, uri)
    except InputError:
        return None  # loading it says what is wrong with it
    return versions.evidence(version)
