"""The best trial's model made ready to serve: compiled, calibrated, and told what it has seen."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mineralsweep import files
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.decode import Pixels
from mineralsweep.export.onnx import compile_folder
from mineralsweep.registry import held_out, seen, temperature
from mineralsweep.registry.files import downloaded
from mineralsweep.serving import confidence, familiarity, network
from mineralsweep.tracking import Store, served_model

COMPARED = 16
"""Images that the compiled model and the trained one are both asked about."""
TOLERANCE = 1e-3
"""By which their probabilities may differ."""

log = logging.getLogger(__name__)


def ensure(
    store: Store,
    run_id: str,
    model_id: str,
    dataset: Dataset,
    folds: int,
    refit: Path | None = None,
) -> str:
    """Return the id of a trial's model as it is served; it is made if it is not there yet.

    A model of another make is served as it is.

    Args:
        store: where the trial's run is.
        run_id: of a complete trial.
        model_id: of the model that it logged.
        dataset: that it was trained on.
        folds: that the pool was divided into; 1: none.
        refit: the folder of a network that was trained as the trial's, on all of the pool; it is
            served instead.
    """
    with files.one_at_a_time(f"served {store.uri} {run_id}"):
        return served_model.find(store, run_id) or _made(
            store, run_id, model_id, dataset, folds, refit
        )


def _made(
    store: Store, run_id: str, model_id: str, dataset: Dataset, folds: int, refit: Path | None
) -> str:
    with downloaded(f"models:/{model_id}") as folder, _scratch() as scratch:
        trained = network.within(folder)
        if trained is None:
            return model_id
        package(trained, scratch / "model", dataset, run_id, folds, refit)
        return served_model.log(store, run_id, scratch / "model", dataset.catalog.bits)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        yield Path(scratch)


def package(
    trained: Path,
    target: Path,
    dataset: Dataset,
    run_id: str,
    folds: int,
    refit: Path | None = None,
) -> None:
    """Write a trained model, with what serving adds to it, into a folder.

    Nothing of the test split is read. A refit has no image that it was not trained on: its
    temperature, and how far an image may lie from the others, are those of the trial's own model.

    Args:
        trained: the trained model's own folder.
        target: must not be there yet.
        dataset: that it was trained on.
        run_id: of its training, which has its answers to images that it had not seen.
        folds: that the pool was divided into; 1: none.
        refit: as of `ensure`.
    """
    images = arrays.load(dataset.arrays(network.load(trained).image_size))
    compared = images[list(dataset.pool()[:COMPARED])]
    _compile(trained, target, compared)
    known = seen.measured(network.load(target), images, dataset, folds)
    if refit is not None:
        shutil.rmtree(target)
        _compile(refit, target, compared)
        known = known and seen.moved(known, network.load(target), images, dataset)
    if known is not None:
        familiarity.save(known, target)
    probabilities, labels = held_out.answers(run_id, dataset.classes)
    confidence.save(temperature.fit(probabilities, labels), len(labels), target)


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
