"""A model's scores on a folder of images, those that it has learned from left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException

from mineralsweep.data.catalog import Catalog
from mineralsweep.errors import DataError, InputError
from mineralsweep.evaluation import Scores, score
from mineralsweep.registry.candidate import LOGGED, dataset_of, find
from mineralsweep.registry.evidence import ask, digest_of_split
from mineralsweep.registry.files import fetched, open_folder
from mineralsweep.registry.versions import MISSING
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
    known = _known(store, uri)
    learned = known.learned if known else frozenset()
    images = [image for image in catalog.images if image.digest not in learned]
    if not images:
        raise DataError(
            f"{catalog.root}: the model has learned from every usable image; give others"
        )
    tested = sum(image.digest in known.tested for image in images) if known else 0
    with fetched(uri) as folder:
        classify = open_folder(folder).predict
        if known and tested:
            store.note_opening(known.run_id, known.test_digest)
        probabilities = ask(classify, images, catalog.classes)
    labels = [catalog.classes.index(image.label) for image in images]
    return Evaluated(
        score(probabilities, labels, catalog.classes),
        len(catalog.images) - len(images) if known else None,
        tested,
    )


@dataclass(frozen=True)
class _Known:
    """What is known of a model's training: its run, and its images by their SHA-256."""

    run_id: str
    test_digest: str
    learned: frozenset[str]
    tested: frozenset[str]


def _known(store: Store, uri: str) -> _Known | None:
    """Return what a model left, or else what its run tells of its data; None without either."""
    logged = LOGGED.fullmatch(uri)
    if not logged and not uri.startswith("models:/"):
        return None
    try:
        if logged:
            run_id = store.client.get_logged_model(logged[1]).source_run_id or ""
        else:
            versions, version = find(store, uri)
            evidence = versions.evidence(version)
            run_id = versions.get(version).run_id or ""
            if evidence is not None:
                images = frozenset(evidence.images)
                return _Known(run_id, evidence.digest, evidence.learned, images)
        dataset = dataset_of(store, run_id, uri)
    except InputError:
        return None  # loading it says what is wrong with it
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        return None
    images_of = [image.digest for image in dataset.catalog.images]
    return _Known(
        run_id,
        digest_of_split(dataset),
        frozenset(images_of[row] for row in dataset.pool()),
        frozenset(images_of[row] for row in dataset.split.test),
    )
