"""The best trial's model made ready to serve: compiled, calibrated, and told what it has seen."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mineralsweep import files
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.decode import Pixels
from mineralsweep.descriptors.pyramid import pyramid
from mineralsweep.errors import InputError
from mineralsweep.export.onnx import compile_folder
from mineralsweep.registry.files import downloaded
from mineralsweep.serving import confidence, ensemble, familiarity, network
from mineralsweep.serving.compiled import CompiledNetwork
from mineralsweep.serving.ensemble import Classifier, Embeds
from mineralsweep.serving.familiarity import Seen
from mineralsweep.serving.workers import MOST_AT_ONCE, cores
from mineralsweep.tracking import Store, served_model
from mineralsweep.tracking.trial_run import PREDICTIONS

MOST_SEEN = 2000
"""Images that the model is asked about, to learn how training images look to it."""
FEWEST = 10
"""Images to measure distances from, and as many to set the threshold on; with fewer there is no
verdict."""
COMPARED = 16
"""Images that the compiled model and the trained one are both asked about."""
TOLERANCE = 1e-3
"""By which their probabilities may differ."""

Division = tuple[Sequence[int], Sequence[int]]

log = logging.getLogger(__name__)


def ensure(store: Store, run_id: str, model_id: str, dataset: Dataset, folds: int) -> str:
    """Return the id of a trial's model as it is served; it is made if it is not there yet.

    A model of another make is served as it is.

    Args:
        store: where the trial's run is.
        run_id: of a complete trial.
        model_id: of the model that it logged.
        dataset: that it was trained on.
        folds: that the pool was divided into; 1: none.
    """
    with files.one_at_a_time(f"served {store.uri} {run_id}"):
        return served_model.find(store, run_id) or _made(store, run_id, model_id, dataset, folds)


def _made(store: Store, run_id: str, model_id: str, dataset: Dataset, folds: int) -> str:
    with downloaded(f"models:/{model_id}") as folder, _scratch() as scratch:
        trained = network.within(folder)
        if trained is None:
            return model_id
        package(trained, scratch / "model", dataset, run_id, folds)
        return served_model.log(store, run_id, scratch / "model", dataset.catalog.bits)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        yield Path(scratch)


def package(trained: Path, target: Path, dataset: Dataset, run_id: str, folds: int) -> None:
    """Write a trained model, with what serving adds to it, into a folder.

    Nothing of the test split is read.

    Args:
        trained: the trained model's own folder.
        target: must not be there yet.
        dataset: that it was trained on.
        run_id: of its training, which has its answers to images that it had not seen.
        folds: that the pool was divided into; 1: none.
    """
    images = arrays.load(dataset.arrays(network.load(trained).image_size))
    _compile(trained, target, images[list(dataset.pool()[:COMPARED])])
    model = network.load(target)
    divisions = _divisions(model, dataset, folds)
    rows = sorted({row for division in divisions for part in division for row in part})
    place = {row: at for at, row in enumerate(rows)}
    held = [([place[row] for row in own], [place[row] for row in out]) for own, out in divisions]
    if len(held[0][0]) >= FEWEST and sum(len(out) for _, out in held) >= FEWEST:
        found = familiarity.fit(describe(model, images, rows), held)
        members = [dataset.catalog.images[rows[place]] for place in found.reference.members]
        familiarity.save(found.with_digests([one.digest for one in members]), target)
    probabilities, labels = held_out_answers(run_id, dataset.classes)
    confidence.save(temperature(probabilities, labels), len(labels), target)


def _compile(trained: Path, target: Path, images: Pixels) -> None:
    """Copy a model, compiled if it can be: if not, it answers as it was trained, but slower."""
    shutil.copytree(trained, target)
    try:
        compile_folder(target)
        expected = network.load(trained).predict(images)
        difference = float(np.abs(network.load(target).predict(images) - expected).max())
        if difference <= TOLERANCE:
            return
        reason = f"its probabilities would differ by {difference:.2g}"
    except Exception as error:  # layers that ONNX has not, a user's own operations
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    log.warning("the model is served as it was trained, not compiled: %s", reason)
    shutil.rmtree(target)
    shutil.copytree(trained, target)


def _divisions(model: Classifier, dataset: Dataset, folds: int) -> list[Division]:
    """Return rows that the model's distances are measured from, and rows that they are tested on.

    What is held out, the embedding must not have been trained on. That of a network with folds is
    its first fold's. That of a probe was trained on no image of the collection: any fold will do.
    """
    if folds == 1:
        return _few([(dataset.split.train, dataset.split.validation)])
    embedding = [one for one, _ in ensemble.leaves(model) if isinstance(one, Embeds)]
    divisions = dataset.folds(folds)
    trained = embedding and isinstance(embedding[0], CompiledNetwork)
    return _few(divisions[:1] if trained else divisions)


def _few(divisions: Sequence[Division]) -> list[Division]:
    """Leave out images where there are more than MOST_SEEN."""
    rows = sorted({row for division in divisions for part in division for row in part})
    if len(rows) <= MOST_SEEN:
        return list(divisions)
    order = np.random.default_rng(0).permutation(rows)
    kept = {int(row) for row in order[:MOST_SEEN]}
    return [
        ([row for row in own if row in kept], [row for row in out if row in kept])
        for own, out in divisions
    ]


def describe(model: Classifier, images: Pixels, rows: Sequence[int]) -> Seen:
    """Return how some rows of images look, and to the model."""
    parts = [rows[start : start + MOST_AT_ONCE] for start in range(0, len(rows), MOST_AT_ONCE)]

    def asked(part: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        pixels = np.asarray(images[list(part)])
        return pyramid(pixels), ensemble.answer(model, pixels)[1]

    with ThreadPoolExecutor(cores()) as threads:
        described = list(threads.map(asked, parts))
    embeddings = [one for _, one in described if one is not None]
    return Seen(
        np.concatenate([one for one, _ in described]),
        np.concatenate(embeddings) if embeddings else None,
    )


def held_out_answers(
    run_id: str, classes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a trial's answers to images that it had not been trained on, and their labels.

    Returns:
        float64 (n, classes), and n columns.
    """
    table = _predictions(run_id)
    number = {name: place for place, name in enumerate(classes)}
    labels = [number[str(label)] for label in table["label"]]
    return table[[f"p_{name}" for name in classes]].to_numpy(np.float64), np.asarray(labels)


def _predictions(run_id: str) -> pd.DataFrame:
    told = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/{PREDICTIONS}"))
    return pd.DataFrame(told["data"], columns=told["columns"])


def folds_of(run_id: str, dataset: Dataset) -> int:
    """Return into how many folds a trial's pool was divided; 1: none.

    Raises:
        InputError: it is not known: the folds were repeated.
    """
    table = _predictions(run_id)
    if "fold" in table:
        return int(table["fold"].max())
    if len(table) > len(dataset.split.validation):
        raise InputError(f"run {run_id}: its folds were repeated; how many they are is not known")
    return 1


def temperature(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the temperature with the least cross-entropy on held-out images.

    The truth counts as (n + 1) / (n + 2), as Platt 1999 has it: a few images that are all right
    are no reason to be certain. Where none is wrong, it is at least 1.

    Args:
        probabilities: (n, classes).
        labels: n columns.
    """
    from scipy.optimize import minimize_scalar

    count, classes = probabilities.shape
    truth = np.full((count, classes), 1 / (count + 2) / max(classes - 1, 1))
    truth[np.arange(count), labels] = (count + 1) / (count + 2)

    def loss(logarithm: float) -> float:
        answers = confidence.with_temperature(probabilities, float(np.exp(logarithm)))
        return float(-(truth * np.log(np.maximum(answers, 1e-12))).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=np.log(confidence.TEMPERATURES), method="bounded")
    all_right = (probabilities.argmax(axis=1) == labels).all()
    return max(1.0, float(np.exp(found.x))) if all_right else float(np.exp(found.x))
