"""A probe in a folder: a backbone up to the last stage that is asked, and a classifier a stage.

No pickle: the backbone is a .keras file of Keras's own layers, the classifiers are skops files,
and what pools is arrays.
"""

from __future__ import annotations

import functools
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.activations.pooling import (
    PRINCIPAL_CHANNELS,
    LogCovariance,
    Views,
    each,
    mean_and_deviation,
)
from mineralsweep.core.recipe import AXES, Flips
from mineralsweep.data.decode import Pixels
from mineralsweep.serving import trust
from mineralsweep.serving.ensemble import CLASSES_FILE, root_of
from mineralsweep.silence import stderr_silenced

if TYPE_CHECKING:
    import keras

    from mineralsweep.activations.pooling import Floats

BACKBONE_FILE = "backbone.keras"
SAME_FILE = "backbone.json"
"""In the place of a backbone that another probe of the same model has: the path of that one."""
POOLING_FILE = "pooling.npz"
SETTINGS_FILE = "probe.json"
BATCH = 16
LARGEST_POOLING = 2**26
"""Bytes that the arrays of a probe's pooling may unpack to: 64 MiB."""


@dataclass(frozen=True)
class StageClassifier:
    """What answers from one stage's activations.

    Attributes:
        stage: its name.
        pooling: fitted on the images that were trained on; None: means and deviations.
        classifier: fitted, of scikit-learn; its classes are positions in the probe's.
    """

    stage: str
    pooling: LogCovariance | None
    classifier: Any

    def numbers(self, views: Views) -> Floats:
        """Return the numbers that the classifier takes: (images, columns)."""
        return mean_and_deviation(views) if self.pooling is None else self.pooling.numbers(views)

    def answer(self, numbers: Floats, classes: int) -> NDArray[np.float64]:
        """Return (images, classes)."""
        found = np.zeros((len(numbers), classes))
        if len(found):
            found[:, self.classifier.classes_] = self.classifier.predict_proba(numbers)
        return found


@dataclass(frozen=True)
class Probe:
    """A frozen backbone, and classifiers on its stages that answer together.

    Attributes:
        network: takes pixels, float (n, height, width, 3) in [0, 255]; one answer a stage.
        members: a classifier a stage, in the order of the network's answers.
        classes: names, in the order of the answer's columns.
        image_size: (height, width) in pixels.
        flips: the views of each image: itself, and which mirror images.
        prepared_as: names the activations: the same for probes of the same backbone, stages, flips.
    """

    network: keras.Model
    members: tuple[StageClassifier, ...]
    classes: tuple[str, ...]
    image_size: tuple[int, int]
    flips: Flips
    prepared_as: str

    def predict(self, images: Pixels) -> NDArray[np.float32]:
        """Answer uint8 (n, height, width, 3) in [0, 255] with float32 (n, classes).

        May be called from several threads at once.
        """
        parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        found = [self.answer(self.prepare(part)) for part in parts]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *found])

    def prepare(self, images: Pixels) -> list[Views]:
        """Return the activations of images: of each stage, one array a view."""
        answers = []
        for axes in AXES[self.flips]:
            seen = np.ascontiguousarray(np.flip(images, axes), np.float32)
            answers.append(list(map(np.asarray, each(self.network(seen, training=False)))))
        return [list(views) for views in zip(*answers, strict=True)]

    def answer(self, prepared: Sequence[Views]) -> NDArray[np.float32]:
        """Answer what `prepare` gave with float32 (n, classes): the mean over the stages."""
        pairs = zip(self.members, prepared, strict=True)
        return self.answer_numbers([member.numbers(views) for member, views in pairs])

    def answer_numbers(self, numbers: Sequence[Floats]) -> NDArray[np.float32]:
        """Answer the numbers of images, an array a stage, as `answer` does."""
        return answer_numbers(self.members, numbers, len(self.classes))


def answer_numbers(
    members: Sequence[StageClassifier], numbers: Sequence[Floats], classes: int
) -> NDArray[np.float32]:
    """Answer the numbers of images, an array a stage: float32 (n, classes)."""
    pairs = zip(members, numbers, strict=True)
    answers = [member.answer(own, classes) for member, own in pairs]
    mean: NDArray[np.float32] = np.mean(answers, axis=0).astype(np.float32)
    return mean


def save(probe: Probe, folder: Path) -> None:
    """Write a probe into `folder`, made if need be."""
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    probe.network.save(folder / BACKBONE_FILE)
    arrays: dict[str, Any] = {}
    for member in probe.members:
        skops.io.dump(
            member.classifier, _file(folder, member.stage),
            compression=zipfile.ZIP_DEFLATED, compresslevel=6,
        )  # fmt: skip
        if member.pooling is not None:
            arrays[f"{member.stage}.directions"] = member.pooling.directions
            arrays[f"{member.stage}.ridge"] = np.float64(member.pooling.ridge)
    np.savez(folder / POOLING_FILE, **arrays)
    settings = {
        "image_size": list(probe.image_size),
        "stages": [member.stage for member in probe.members],
        "flips": probe.flips,
        "prepared_as": probe.prepared_as,
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
    (folder / CLASSES_FILE).write_text(
        json.dumps(list(probe.classes), ensure_ascii=False), encoding="utf-8"
    )


def share_backbones(model: Path) -> None:
    """Keep one backbone for all probes within a model's folder that prepare images alike.

    A fold's probes differ in what is fitted, not in the backbone, which is most of their size.
    """
    firsts: dict[str, Path] = {}
    for settings in sorted(model.rglob(SETTINGS_FILE)):
        own, folder = json.loads(settings.read_text(encoding="utf-8")), settings.parent
        alike = f"{own['prepared_as']} {own['image_size']}"
        first = firsts.setdefault(alike, folder)
        if first != folder and (folder / BACKBONE_FILE).is_file():
            (folder / BACKBONE_FILE).unlink()
            (folder / SAME_FILE).write_text(
                json.dumps(Path(os.path.relpath(first, folder)).as_posix()), encoding="utf-8"
            )


def is_probe(folder: Path) -> bool:
    """Say whether `save` wrote a folder."""
    return (folder / SETTINGS_FILE).is_file()


def _backbone(folder: Path) -> Path:
    """Return the file of a probe's backbone; it may be another probe's, of the same model.

    Raises:
        OSError, ValueError: it is not there.
    """
    root = root_of(folder).resolve()
    for _ in range(MOST_STEPS):
        if (folder / BACKBONE_FILE).is_file():
            return (folder / BACKBONE_FILE).resolve()
        step = Path(str(json.loads((folder / SAME_FILE).read_text(encoding="utf-8"))))
        if not (folder / step).resolve().is_relative_to(root):
            raise ValueError(f"{folder / SAME_FILE}: must lead to another probe of {root}")
        folder = folder / step
    raise ValueError(f"{folder / SAME_FILE}: leads to no backbone")


MOST_STEPS = 10


@functools.lru_cache(maxsize=4)
def _network(file: Path, modified_ns: int) -> keras.Model:
    """Load a backbone once for all probes that share it."""
    with stderr_silenced():
        import keras

        return keras.saving.load_model(file, compile=False, safe_mode=True)


def load(folder: Path) -> Probe:
    """Read what `save` wrote; nothing in the files is executed.

    Raises:
        UntrustedModel: a classifier's file holds what none of ours does.
        OSError, ValueError, KeyError: the folder lacks a file, or one is damaged.
    """
    settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    file = _backbone(folder)
    network = _network(file, file.stat().st_mtime_ns)
    members = load_members(folder, [output.shape[-1] for output in network.outputs])
    height, width = settings["image_size"]
    flips = settings["flips"]
    if flips not in AXES:
        raise ValueError(f"{folder / SETTINGS_FILE}: flips must be one of {', '.join(AXES)}")
    return Probe(
        network,
        members,
        tuple(json.loads((folder / CLASSES_FILE).read_text(encoding="utf-8"))),
        (int(height), int(width)),
        flips,
        str(settings["prepared_as"]),
    )


def load_members(folder: Path, channels: Sequence[int]) -> tuple[StageClassifier, ...]:
    """Read the classifiers of a probe; `channels`: how many each stage has.

    Raises:
        UntrustedModel: a classifier's file holds what none of ours does.
        OSError, ValueError, KeyError: the folder lacks a file, or one is damaged.
    """
    stages: list[str] = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))["stages"]
    trust.check_unpacked(folder / POOLING_FILE, LARGEST_POOLING)
    with np.load(folder / POOLING_FILE, allow_pickle=False) as arrays:
        return tuple(
            _member(folder, stage, count, arrays)
            for stage, count in zip(stages, channels, strict=True)
        )


def _member(folder: Path, stage: str, channels: int, arrays: Any) -> StageClassifier:
    pooling, columns = None, 2 * channels
    if f"{stage}.directions" in arrays:
        directions = arrays[f"{stage}.directions"]
        most = min(channels, PRINCIPAL_CHANNELS)
        if directions.ndim != 2 or directions.shape[0] != channels or directions.shape[1] > most:
            raise ValueError(
                f"{folder / POOLING_FILE}: the directions of {stage} must be ({channels}, at"
                f" most {most}), got {directions.shape}"
            )
        pooling = LogCovariance(directions, float(arrays[f"{stage}.ridge"]))
        columns = pooling.columns
    return StageClassifier(stage, pooling, trust.load(_file(folder, stage), columns))


def _file(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.skops"
