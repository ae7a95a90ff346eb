"""A registered model taken elsewhere: one file in another format, or a folder for Docker."""

from __future__ import annotations

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import UnidentifiedImageError

from mineralsweep.app.checks import Say
from mineralsweep.data.catalog import CatalogImage
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.decode import Pixels, decode
from mineralsweep.data.listing import readable
from mineralsweep.errors import ConfigError, InputError
from mineralsweep.silence import stderr_silenced

if TYPE_CHECKING:
    from mineralsweep.export.parity import Parity
    from mineralsweep.tracking import Store

DOCKER = "docker"
MOST_COMPARED = 200
"""Images that both models are asked about, at most."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        uri: of the model, with the version's number.
        format: one of `export.formats.FORMATS`, or DOCKER.
        folder: all of it.
        file: the model's own: a file, or a folder.
        runtime: the package that runs it; "" for DOCKER.
        parity: None for DOCKER: those are the served model's own files.
    """

    uri: str
    format: str
    folder: Path
    file: Path
    runtime: str
    parity: Parity | None


def export(uri: str | None, chosen: str, out: Path, say: Say) -> Exported:
    """Write a registered model to a folder; nothing is left there where it can't be.

    Args:
        uri: of a registered or logged model; None: the champion.
        chosen: a format's name.
        out: must not be there yet, or be empty.
        say: is told what is being done.

    Raises:
        InputError: there is no such model, or a part of it is not to be had in the format; `out`
            is taken.
    """
    _check_free(out)
    from mineralsweep.registry import CHAMPION_URI, settled
    from mineralsweep.registry.files import fetched
    from mineralsweep.tracking import open_store

    store = open_store()
    uri = settled(uri or CHAMPION_URI)
    with fetched(uri) as packaged, _made(out) as scratch:
        if chosen == DOCKER:
            from mineralsweep.export import docker

            docker.write(packaged, uri, scratch)
            return Exported(uri, chosen, out, out / "model", "", None)
        from mineralsweep.export.formats import FORMATS

        parity = _converted(store, uri, packaged, chosen, scratch, say)
        told = FORMATS[chosen]
        return Exported(uri, chosen, out, out / told.file, told.runtime, parity)


def _check_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError(f"OUT: {readable(out)} is there already; name another folder")
    if out.resolve() == Path.cwd():  # it could not be replaced by what is written
        raise ConfigError(f"OUT: {readable(out)} is the working folder; name one that is not there")


@contextlib.contextmanager
def _made(out: Path) -> Iterator[Path]:
    """Give a folder that becomes `out` once all of it is written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        yield made
        made.replace(out)


def _converted(
    store: Store, uri: str, packaged: Path, chosen: str, target: Path, say: Say
) -> Parity:
    """Write a model in another format, compare it with the served one, and keep what was found."""
    from mlflow.models import Model

    from mineralsweep.export import formats
    from mineralsweep.registry.files import open_folder
    from mineralsweep.serving import confidence, network

    run_id = str(Model.load(str(packaged)).run_id or "")
    temperature = confidence.load(network.find(packaged))
    say(f"{uri}: writing {formats.FORMATS[chosen].file} ...")
    with _as_trained(store, uri, packaged, run_id) as folder:
        model = network.load(folder)
        formats.write(model, temperature, chosen, target, {"model": uri})
        classes, size = model.classes, model.image_size
    say("comparing it with the served model ...")
    images, bits, told = _images(store, uri, run_id)
    parity = compare(open_folder(packaged).predict, target, images, classes, size, bits, told)
    parity.save(target)
    return parity


@contextlib.contextmanager
def _as_trained(store: Store, uri: str, packaged: Path, run_id: str) -> Iterator[Path]:
    """Give the folder of a model as it was trained: a registered version is a compiled one."""
    from mineralsweep.registry.files import downloaded, reachable
    from mineralsweep.serving import compiled, network
    from mineralsweep.tracking.trial_run import MODEL

    own = network.find(packaged)
    if not any(own.rglob(compiled.SETTINGS_FILE)):
        yield own
        return
    with contextlib.ExitStack() as stack:
        with reachable(uri):
            model_id = store.client.get_run(run_id).data.tags.get(MODEL)
            if model_id is None:
                raise InputError(
                    f"model: {uri}: its run names no model as it was trained, from which it could"
                    " be exported; --format docker takes every model"
                )
            folder = stack.enter_context(downloaded(f"models:/{model_id}"))
        yield network.find(folder)


def _images(store: Store, uri: str, run_id: str) -> tuple[Sequence[CatalogImage], int, str]:
    """Return images to compare two models on, the bits of their samples, and which they are.

    The test images are among them only where the model's answers to them are kept: asking it again
    then tells nothing that is not known.
    """
    from mineralsweep.data.settings import DataSettings
    from mineralsweep.data.sources import open_catalog
    from mineralsweep.registry.candidate import dataset_of

    try:
        dataset: Dataset = dataset_of(store, run_id, uri)
    except InputError:
        catalog = open_catalog(DataSettings("sample"))
        step = max(1, len(catalog.images) // MOST_COMPARED)
        chosen = catalog.images[::step][:MOST_COMPARED]
        return chosen, catalog.bits, f"{len(chosen)} drawn; its own are not where they were"
    test = dataset.split.test if _tested(store, uri, dataset) else ()
    parts = {"test": test, "validation": dataset.split.validation, "training": dataset.split.train}
    rows: list[int] = []
    counts = []
    for name, part in parts.items():
        taken = part[: MOST_COMPARED - len(rows)]
        rows += taken
        counts.append(f"{name} {len(taken)}")
    images = dataset.catalog.images
    told = f"{dataset.name}: {', '.join(counts)}"
    return [images[row] for row in rows], dataset.catalog.bits, told


def _tested(store: Store, uri: str, dataset: Dataset) -> bool:
    """Say whether a registered model's answers to a data set's test images are kept."""
    from mineralsweep.registry.candidate import LOGGED, find
    from mineralsweep.registry.evidence import digest_of_split

    if LOGGED.fullmatch(uri):
        return False
    try:
        versions, version = find(store, uri)
    except InputError:  # no registered version: runs:/, a folder
        return False
    kept = versions.evidence(version)
    return kept is not None and kept.digest == digest_of_split(dataset)


def compare(
    classify: Any, folder: Path, images: Sequence[CatalogImage], classes: Sequence[str],
    size: tuple[int, int], bits: int, told: str,
) -> Parity:  # fmt: skip
    """Ask a served model and an exported one about the same images.

    Args:
        classify: the served model's `predict`.
        folder: of the exported model.
        images: at least one.
        classes: in the order of the exported model's answers.
        size: (height, width) in pixels that it takes.
        bits: as of `decode`.
        told: which images they are, in words.
    """
    from mineralsweep.export import classify as script
    from mineralsweep.export.parity import Parity, same_labels
    from mineralsweep.registry.evidence import ask

    ask(classify, images[:1], classes)  # the first answer of each makes ready for the others
    with warnings.catch_warnings(action="ignore"), stderr_silenced():  # TensorFlow greets here too
        answer = script.load(folder)
        answer(np.zeros((1, *size, 3), np.uint8))
    started = time.perf_counter()
    served = ask(classify, images, classes)
    between = time.perf_counter()
    exported, decoded = [], []
    for image in images:
        decoded.append(decode(image.path.read_bytes(), size, bits))
        exported.append(answer(decoded[-1][None]))
    ended = time.perf_counter()
    found = np.concatenate(exported)
    return Parity(
        images=told,
        compared=len(images),
        same_labels=same_labels(served, found),
        largest_difference=float(np.abs(served - found).max()),
        read_alike=sum(_reads_alike(*pair) for pair in zip(images, decoded, strict=True)),
        served_per_second=round(len(images) / (between - started), 1),
        exported_per_second=round(len(images) / (ended - between), 1),
    )


def _reads_alike(image: CatalogImage, expected: Pixels) -> bool:
    from mineralsweep.export import classify as script

    height, width = expected.shape[:2]
    try:
        return bool(np.array_equal(script.pixels(image.path, height, width), expected))
    except (OSError, ValueError, UnidentifiedImageError):
        return False
