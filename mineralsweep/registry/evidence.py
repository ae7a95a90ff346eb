"""What a model is judged by: its answers on the locked test split, its speed and its size."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from mlflow.models import Model
from numpy.typing import NDArray

from mineralsweep import files
from mineralsweep.data.catalog import CatalogImage
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.listing import readable
from mineralsweep.errors import DataError
from mineralsweep.evaluation import Proportion, Scores, score, wilson
from mineralsweep.evaluation.calibration import Calibration, calibration
from mineralsweep.serving import confidence, network

BATCH = 32
UNDERFLOW = 1e-37
"""What a calibrated probability that float32 does not hold counts as."""
TIMED = 10
"""Requests of one image each that the latency is the median of."""

Classify = Callable[[pd.DataFrame], pd.DataFrame]
"""A served model: a column `image` of files' bytes -> a row an image, with `probabilities`."""


@dataclass(frozen=True)
class Evidence:
    """A model's answers on one test split. They are kept, so that nobody has to ask it again.

    Attributes:
        source: the data set's name, for people.
        drawn: whether it is the drawn sample.
        classes: names, in the order of the columns of `probabilities`.
        images: SHA-256 of each test image's file.
        groups: a number an image; equal for images that belong together, as near-duplicates do.
        labels: one position in `classes` an image.
        probabilities: float32 (n, classes).
        learned: SHA-256 of the files that it learned from or was chosen by -> the class they had:
            the training and the validation split, and test images that are near-duplicates of one
            of these. The class is "" in evidence of before it was kept.
        latency_ms: milliseconds an image, asked one at a time through the served model.
        size_bytes: of all its files.
        novelty: a number an image; above 1: the model took it for unlike the training. Empty where
            it was not measured.
        temperature: that `probabilities` are calibrated with; 1: they are not.
        model: the id of the logged model that gave them; "" in evidence of before it was kept.
    """

    source: str
    drawn: bool
    classes: tuple[str, ...]
    images: tuple[str, ...]
    groups: tuple[int, ...]
    labels: tuple[int, ...]
    probabilities: NDArray[np.float32]
    learned: Mapping[str, str]
    latency_ms: float
    size_bytes: int
    novelty: tuple[float, ...] = ()
    temperature: float = 1.0
    model: str = ""

    @property
    def digest(self) -> str:
        """The test split's digest: the same for the same images with the same labels."""
        names = [self.classes[label] for label in self.labels]
        return digest_of(zip(names, self.images, strict=True))

    def scores(self) -> Scores:
        """Return the scores on the test split; their intervals know what belongs together."""
        return score(self.probabilities, self.labels, self.classes, self.groups)

    def calibration(self) -> Calibration:
        """Return how far confidence and accuracy lie apart, of the answers as they are served."""
        return calibration(self.probabilities, self.labels)

    def uncalibrated(self) -> Calibration | None:
        """Return the same of the answers without their temperature; None: they have none."""
        if self.temperature == 1.0:
            return None
        plain = confidence.with_temperature(self.probabilities, 1 / self.temperature, UNDERFLOW)
        return calibration(plain, self.labels)

    def false_alarms(self) -> Proportion | None:
        """Return the share of test images called unlike the training; None: not measured."""
        if not self.novelty:
            return None
        return wilson(sum(one > 1.0 for one in self.novelty), len(self.novelty))

    def truth(self) -> dict[str, str]:
        """Return each image's class by its digest."""
        names = [self.classes[label] for label in self.labels]
        return dict(zip(self.images, names, strict=True))

    def answers(self) -> dict[str, str]:
        """Return each image's predicted class by its digest."""
        names = [self.classes[column] for column in self.probabilities.argmax(axis=1)]
        return dict(zip(self.images, names, strict=True))

    def to_json(self) -> str:
        """Return text that `from_json` reads."""
        probabilities = self.probabilities.astype(float).tolist()
        plain = {"probabilities": probabilities, "learned": dict(sorted(self.learned.items()))}
        return json.dumps({**vars(self), **plain})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        data: dict[str, Any] = json.loads(text)
        shape = len(data["images"]), len(data["classes"])
        data["probabilities"] = np.asarray(data["probabilities"], np.float32).reshape(shape)
        if isinstance(data["learned"], list):
            data["learned"] = dict.fromkeys(data["learned"], "")
        lists = {key: tuple(one) for key, one in data.items() if isinstance(one, list)}
        return cls(**data | lists)


def digest_of(labelled: Iterable[tuple[str, str]]) -> str:
    """Return SHA-256 over the (class, file's digest) pairs of a test split, in any order."""
    text = "".join(f"{label}\0{image}\n" for label, image in sorted(labelled))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_split(dataset: Dataset) -> str:
    """Return the digest of a data set's test split, without opening it."""
    images = dataset.catalog.images
    return digest_of((images[row].label, images[row].digest) for row in dataset.split.test)


def measure(classify: Classify, folder: Path, dataset: Dataset) -> Evidence:
    """Open the test split for a model: ask it for every image, as it is served.

    Raises:
        DataError: a file was changed or removed since the catalogue was read, or the model
            knows other classes.
    """
    rows, labels, images = dataset.split.test, dataset.labels(), dataset.catalog.images
    groups = dataset.related()
    own = (*dataset.split.train, *dataset.split.validation)
    known = {groups[row] for row in own}
    learned = (*own, *(row for row in rows if groups[row] in known))
    tested = [images[row] for row in rows]
    probabilities, novelty = _ask(classify, tested, dataset.classes)
    return Evidence(
        source=dataset.name,
        drawn=dataset.source == "sample",
        classes=dataset.classes,
        images=tuple(image.digest for image in tested),
        groups=tuple(groups[row] for row in rows),
        labels=tuple(labels[row] for row in rows),
        probabilities=probabilities,
        learned={images[row].digest: images[row].label for row in learned},
        latency_ms=_latency(classify, [_content(image) for image in tested[:TIMED]]),
        size_bytes=files.size(folder),
        novelty=novelty,
        temperature=_temperature(folder),
        model=str(Model.load(str(folder)).model_id or ""),
    )


def _temperature(folder: Path) -> float:
    trained = network.within(folder)
    return 1.0 if trained is None else confidence.load(trained)


def ask(
    classify: Classify, images: Sequence[CatalogImage], classes: Sequence[str]
) -> NDArray[np.float32]:
    """Return a model's probabilities, float32 (images, classes).

    Raises:
        DataError: a file was changed or removed since the catalogue was read, or the model
            knows other classes.
    """
    return _ask(classify, images, classes)[0]


def _ask(
    classify: Classify, images: Sequence[CatalogImage], classes: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Return a model's probabilities, as `ask` does, and its novelties, empty where it has none."""
    found = np.zeros((len(images), len(classes)), np.float32)
    novelty: list[float] = []
    for start in range(0, len(images), BATCH):
        frame = pd.DataFrame({"image": [_content(one) for one in images[start : start + BATCH]]})
        answers = classify(frame)
        novelty += answers["novelty"].tolist() if "novelty" in answers else []
        for at, answer in enumerate(answers["probabilities"], start=start):
            if set(answer) != set(classes):
                raise DataError(
                    f"the data has the classes {', '.join(classes)}, and the model knows"
                    f" {', '.join(sorted(answer))}; give data of the model's classes"
                )
            found[at] = [answer[name] for name in classes]
    return found, tuple(novelty)


def _content(image: CatalogImage) -> bytes:
    try:
        content = image.path.read_bytes()
    except OSError as error:
        raise DataError(f"{readable(image.path)}: {error.strerror}; start again") from None
    if hashlib.sha256(content).hexdigest() != image.digest:
        raise DataError(f"{readable(image.path)}: changed since it was listed; start again")
    return content


def _latency(classify: Classify, contents: Sequence[bytes]) -> float:
    """Return the median of a few requests; the answers before have warmed the model up."""
    taken = []
    for at in range(TIMED):
        frame = pd.DataFrame({"image": [contents[at % len(contents)]]})
        started = time.perf_counter()
        classify(frame)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000
