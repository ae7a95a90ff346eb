"""The version that a person names: its evidence, its data, and its scores on other images."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from mineralsweep.config import Gate
from mineralsweep.core import objective as objectives
from mineralsweep.data import duplicates, groups
from mineralsweep.data.catalog import Catalog, CatalogImage
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings, GroupRule
from mineralsweep.data.sources import SOURCES
from mineralsweep.data.work import Say, silent
from mineralsweep.errors import DataError, InputError
from mineralsweep.evaluation import Scores, score
from mineralsweep.registry import held_out, packaging
from mineralsweep.registry.evidence import Evidence, ask, digest_of_split, measure
from mineralsweep.registry.files import (
    downloaded,
    fetched,
    fingerprint,
    open_folder,
    reachable,
)
from mineralsweep.registry.versions import MISSING, NAME, Versions, uri_of
from mineralsweep.tracking import Store, served_model
from mineralsweep.tracking.store import TEST_DIGEST

log = logging.getLogger(__name__)

LOGGED = re.compile(r"models:/(m-[0-9a-f]{32})")


def find(store: Store, text: str, model: str | None = None) -> tuple[Versions, str]:
    """Return the registered model and the version that a person named.

    A logged model that is not registered yet (that of `mineralsweep train`) becomes a version.

    Args:
        store: where it is.
        text: "3", "models:/NAME/3", "models:/NAME@ALIAS", or "models:/m-ID".
        model: the registered model's name; None: that in `text`, else the default.

    Raises:
        InputError: there is no such version.
    """
    logged = LOGGED.fullmatch(text)
    if logged:
        return _registered(store, logged[1], model or NAME)
    named = re.fullmatch(r"models:/([^/@]+)(?:/(\d+)|@(.+))", text)
    number = text if text.isdecimal() else None
    if number is None and named is None:
        raise InputError(
            f"VERSION: must be a version's number, models:/NAME/NUMBER, models:/NAME@ALIAS or"
            f" models:/m-ID, got '{text}'; see mineralsweep champion"
        )
    versions = Versions(store, named[1] if named else model or NAME)
    if named and named[3]:
        number = versions.holder(named[3])
        if not number:
            raise InputError(f"VERSION: no version of {versions.name} has the alias {named[3]}")
    elif named:
        number = named[2]
    return versions, str(versions.get(str(number)).version)


def _registered(store: Store, model_id: str, name: str) -> tuple[Versions, str]:
    versions = Versions(store, name)
    try:
        run_id = store.client.get_logged_model(model_id).source_run_id or ""
    except MlflowException as error:
        raise InputError(f"VERSION: models:/{model_id}: {str(error).splitlines()[0]}") from None
    made_before = versions.of_model(model_id)
    if made_before:
        return versions, made_before
    served = _as_served(store, run_id, model_id)
    made_before = versions.of_model(served)
    if made_before:
        return versions, made_before
    with reachable(f"models:/{served}"), downloaded(f"models:/{served}") as folder:
        files = fingerprint(folder)
    card = "Registered by hand; see its run for how it was trained."
    return versions, versions.register(run_id, served, card, files)


def _as_served(store: Store, run_id: str, model_id: str) -> str:
    """Return the id of a model made ready to serve; its own where its data is not at hand."""
    made_before = served_model.find(store, run_id)
    if made_before:
        return made_before
    try:
        dataset = dataset_of(store, run_id, f"models:/{model_id}")
        folds = held_out.folds(run_id, dataset)
        return packaging.ensure(store, run_id, model_id, dataset, folds)
    except (InputError, MlflowException, OSError) as error:
        log.warning("it is served as it was trained, not calibrated: %s", error)
        return model_id


def evidence_for(versions: Versions, version: str) -> tuple[Evidence, Dataset | None]:
    """Return what a version can be judged by; a model never tested is tested now.

    Returns:
        The evidence, and the data set where it had to be opened for it.

    Raises:
        InputError: it was never tested, and its data is not where it was, or is other data now;
            or it was tested, and its run's files are not there.
    """
    kept = versions.evidence(version)
    if kept is not None:
        return kept, None
    run_id = versions.get(version).run_id or ""
    where = f"version {version} of {versions.name}"
    lost = versions.lost_evidence(version)
    if lost:
        raise InputError(f"VERSION: {where}: {lost}")
    dataset = dataset_of(versions.store, run_id, where)
    uri = uri_of(versions.name, version)
    with reachable(uri), fetched(uri) as folder:
        evidence = examine(versions, run_id, folder, dataset)
    versions.tag(version, {TEST_DIGEST: evidence.digest, **test_tags(evidence.scores())})
    return evidence, dataset


def test_tags(scores: Scores) -> dict[str, str]:
    """Return what a version tells of the test split on its page."""
    macro_f1 = objectives.get("macro_f1").shown(scores)
    return {"test_accuracy": str(scores.accuracy), "test_macro_f1": macro_f1}


def examine(
    versions: Versions, run_id: str, folder: Path, dataset: Dataset, opener: str = ""
) -> Evidence:
    """Open a data set's test split for a model, and keep its answers.

    Args:
        versions: of the registered model.
        run_id: of the model's training; keeps the answers.
        folder: the model's files.
        dataset: its test split is read.
        opener: the run that the opening is noted on; "": that of the training.
    """
    classify = open_folder(folder).predict
    versions.store.note_opening(opener or run_id, digest_of_split(dataset))
    evidence = measure(classify, folder, dataset)
    versions.keep_evidence(run_id, evidence)
    return evidence


def dataset_of(store: Store, run_id: str, where: str) -> Dataset:
    """Open the data that a model was trained on, as its run tells of it.

    Raises:
        InputError: the run does not tell, or the data is not there or is other data now.
    """
    try:
        inputs = store.client.get_run(run_id).inputs
        [told, *_] = [one.dataset for one in inputs.dataset_inputs] if inputs else []
        profile, uri = _json(told.profile), _json(told.source)["uri"]
        asked, expected = _settings(profile, uri), profile["split"]["digest"]
    except (MlflowException, ValueError, LookupError, TypeError):
        raise InputError(
            f"VERSION: {where} was never tested, and its run does not tell on which data it was"
            " trained; past the gate: --force --reason TEXT"
        ) from None
    dataset = open_dataset(asked)
    if dataset.split.digest == expected:
        return dataset
    raise DataError(
        f"{asked.source}: holds other images than when {where} was trained: its test split is not"
        " the same; train it anew, or past the gate: --force --reason TEXT"
    )


def _settings(profile: Mapping[str, Any], uri: str) -> DataSettings:
    """Return what a run's data set was opened with; `uri`: where the source lies."""
    source = profile["source"] if profile["source"] in SOURCES else uri
    told = profile.get("settings") or {  # a run of an earlier release tells less
        **DataSettings(source).to_dict(),
        "split": profile["split"]["shares"],
        "split_seed": profile["split"]["seed"],
    }
    asked = DataSettings.from_dict({**told, "source": source})
    return replace(asked, classes=tuple(profile["classes"]))


def _json(text: str | None) -> Any:
    return json.loads(text or "")


def rules_of(versions: Versions, version: str) -> Gate:
    """Return the rules that a version was judged by last, the defaults where it never was."""
    kept = versions.decision(version)
    try:
        return Gate(**{**(kept.rules if kept else {}), "model": versions.name})
    except (ValueError, TypeError):  # another release's
        return Gate(model=versions.name)


@dataclass(frozen=True)
class Evaluated:
    """Scores on some images.

    Attributes:
        scores: with their intervals.
        learned: images that were left out, for the model has learned from them or from what
            belongs together with them; None where it is not known which these are.
        tested: images among those asked that are in the model's own test split.
    """

    scores: Scores
    learned: int | None
    tested: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {"scores": self.scores.to_dict(), "learned": self.learned, "tested": self.tested}


def evaluate(
    store: Store, uri: str, catalog: Catalog, rule: GroupRule | None = None, say: Say = silent
) -> Evaluated:
    """Ask a model about every image of a catalogue that it has not learned from.

    Near-duplicates belong together, and so does what the rule, or a table's column group, puts
    together: where a model has learned from one of them, the others are left out too.

    Args:
        store: where the model is.
        uri: of the model.
        catalog: the images.
        rule: which of them belong together.
        say: is told how far a long search is.

    Raises:
        InputError: the model can't be loaded or knows other classes, or it has learned from
            every image.
    """
    if not catalog.images:
        raise DataError(f"{catalog.root}: has no usable image; give others")
    known = _known(store, uri)
    learned = known.learned if known else frozenset()
    with fetched(uri) as folder:
        classify = open_folder(folder).predict  # what can't be loaded is said before a long search
        together = groups.together(catalog, rule, duplicates.groups(catalog, say))
        fair = _fair(catalog, learned, together)
        images = [image for image, _ in fair]
        tested = sum(image.digest in known.tested for image in images) if known else 0
        if known and tested:
            store.note_opening(known.run_id, known.test_digest)
        probabilities = ask(classify, images, catalog.classes)
    labels = [catalog.classes.index(image.label) for image in images]
    return Evaluated(
        score(probabilities, labels, catalog.classes, [group for _, group in fair]),
        len(catalog.images) - len(images) if known else None,
        tested,
    )


def _fair(
    catalog: Catalog, learned: frozenset[str], together: Sequence[int]
) -> list[tuple[CatalogImage, int]]:
    """Return the images of which none that belongs together with them was learned from.

    Raises:
        DataError: there is none.
    """
    pairs = list(zip(catalog.images, together, strict=True))
    seen = {group for image, group in pairs if image.digest in learned}
    fair = [(image, group) for image, group in pairs if group not in seen]
    if not fair:
        raise DataError(
            f"{catalog.root}: the model has learned from every usable image; give others"
        )
    return fair


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
                return _Known(run_id, evidence.digest, frozenset(evidence.learned), images)
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
