"""The registry: the champion is chosen on validation, tested once, registered, and found again."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException

from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.engine import TrialRecord
from mineralsweep.errors import InputError
from mineralsweep.evaluation import Scores, score
from mineralsweep.packaging import digest
from mineralsweep.packaging.network import find, load
from mineralsweep.tracking import Store, SweepRun

NAME = "mineral-classifier"
ALIAS = "champion"
DIGEST = "mineralsweep.files_sha256"
CHAMPION_URI = f"models:/{NAME}@{ALIAS}"


@dataclass(frozen=True)
class Crowned:
    """A registered champion.

    Attributes:
        record: its trial.
        scores: on the test split.
        version: in the registry.
        openings: how often this study has opened the test split.
        former: the version that had the alias before, with its test accuracy; "" without one.
    """

    record: TrialRecord
    scores: Scores
    version: str
    openings: int
    former: str = ""

    def to_json(self) -> str:
        """Return text that `from_json` reads."""
        return json.dumps(
            {
                "record": self.record.to_dict(),
                "scores": self.scores.to_dict(),
                "version": self.version,
                "openings": self.openings,
                "former": self.former,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave."""
        data = json.loads(text)
        return cls(
            record=TrialRecord.from_dict(data["record"]),
            scores=Scores.from_dict(data["scores"]),
            version=data["version"],
            openings=data["openings"],
            former=data["former"],
        )


def crown(
    store: Store, run: SweepRun, record: TrialRecord, dataset: Dataset, study: str
) -> Crowned:
    """Open the test split once for the best trial, register its model, and set the alias.

    Args:
        store: where models are.
        run: the sweep's run; takes the test scores.
        record: the best trial by validation.
        dataset: its test split is used.
        study: the study's name, for the version's tags.
    """
    openings = run.open_test_split()
    with _downloaded(f"models:/{record.model_id}") as folder:
        scores = _evaluate(folder, dataset)
        tags = {**_tags(record, scores, study), DIGEST: digest.of_folder(folder)}
    run.log_test(scores, f"test split, trial {record.number}")
    number = _register(store, record, _card(record, scores, dataset), tags)
    former = _alias_holder(store)
    store.client.set_registered_model_alias(NAME, ALIAS, number)
    return Crowned(record, scores, number, openings, former)


def _alias_holder(store: Store) -> str:
    try:
        held = store.client.get_model_version_by_alias(NAME, ALIAS)
    except MlflowException:
        return ""
    return f"version {held.version}: test accuracy {held.tags.get('test_accuracy', 'unknown')}"


def _register(store: Store, record: TrialRecord, card: str, tags: dict[str, str]) -> str:
    try:
        store.client.create_registered_model(NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    assert record.model_id is not None  # complete trials have logged one
    source = store.client.get_logged_model(record.model_id).artifact_location
    version = store.client.create_model_version(
        NAME, source, record.run_id, tags=tags, description=card, model_id=record.model_id
    )
    return str(version.version)


@contextlib.contextmanager
def _downloaded(uri: str) -> Iterator[Path]:
    """Give a copy of a model's files that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        yield Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))


def _evaluate(folder: Path, dataset: Dataset) -> Scores:
    """Score a model on the test split, through the file that will be served."""
    network = load(find(folder))
    rows, labels = dataset.split.test, dataset.labels()
    images = np.asarray(arrays.load(dataset.arrays(network.image_size))[list(rows)])
    return score(network.predict(images), [labels[row] for row in rows], dataset.classes)


def load_classifier(uri: str = CHAMPION_URI) -> Any:
    """Load a registered or logged model as MLflow's pyfunc, if it is what was registered.

    Raises:
        InputError: there is no such model in the tracking store, or its files are other ones.
    """
    with _reachable(uri), _downloaded(uri) as folder:
        _compare(uri, folder)
        return mlflow.pyfunc.load_model(str(folder))


def verify(uri: str = CHAMPION_URI) -> str:
    """Check that a registered model's files are those that were registered; nothing is loaded.

    Returns:
        What was found, in a sentence.

    Raises:
        InputError: there is no such model in the tracking store, or its files are other ones.
    """
    with _reachable(uri), _downloaded(uri) as folder:
        expected = _compare(uri, folder)
    if expected is None:
        return f"{uri}: no digest was recorded for it; nothing to compare"
    return f"{uri}: its files are those that were registered (SHA-256 {expected[:16]}...)"


@contextlib.contextmanager
def _reachable(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError) as error:
        raise InputError(
            f"model: {uri} can't be loaded: {str(error).splitlines()[0]}; make a champion with"
            " mineralsweep sweep sweeps/quick.yaml, or name another: --model URI"
        ) from error


def _compare(uri: str, folder: Path) -> str | None:
    """Return the digest recorded at registration, None without one."""
    expected = _recorded(uri)
    if expected is not None and digest.of_folder(folder) != expected:
        raise InputError(
            f"model: {uri}: its files are not those that were registered: they were changed or"
            " damaged in the artifact store; nothing of them was run. Register a model anew, or"
            " name another: --model URI"
        )
    return expected


def _recorded(uri: str) -> str | None:
    """Return the digest of a registered version; other URIs name none."""
    client = mlflow.MlflowClient()
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if at:
        version = client.get_model_version_by_alias(name, alias)
    else:
        name, _, number = name.partition("/")
        if not uri.startswith("models:/") or not number.isdecimal():
            return None
        version = client.get_model_version(name, number)
    recorded = version.tags.get(DIGEST)
    return None if recorded is None else str(recorded)


def _tags(record: TrialRecord, scores: Scores, study: str) -> dict[str, str]:
    return {
        "mineralsweep.study": study,
        "mineralsweep.trial": str(record.number),
        "validation_accuracy": str(record.interval()),
        "test_accuracy": str(scores.accuracy),
        "test_macro_f1": f"{scores.macro_f1:.3f}",
    }


def _card(record: TrialRecord, scores: Scores, dataset: Dataset) -> str:
    recalls = "\n".join(f"| {name} | {recall} |" for name, recall in scores.recall.items())
    return (
        f"**{record.params['architecture']}**, trial {record.number}, chosen on the validation"
        f" split ({record.interval()}).\n\n"
        f"Test split, opened once for it: accuracy **{scores.accuracy}** (95 % Wilson interval),"
        f" macro-F1 {scores.macro_f1:.3f}.\n\n"
        f"| class | recall [95 % interval], n |\n| --- | --- |\n{recalls}\n\n"
        f"Data: {dataset.describe()}. Input: one column `image` with the bytes of an image file."
    )
