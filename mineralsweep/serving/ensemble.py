"""Several trained classifiers as one: the mean of their probabilities."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels

MEMBERS = "members"
CLASSES_FILE = "classes.json"
BATCH = 16


class Classifier(Protocol):
    """What every folder of a trained model is loaded as."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def image_size(self) -> tuple[int, int]: ...

    def predict(self, images: Pixels) -> NDArray[np.float32]: ...


@runtime_checkable
class Prepares(Protocol):
    """A classifier that first makes something of an image, which others may make too.

    Those with the same `prepared_as` and image size make the same.
    """

    @property
    def prepared_as(self) -> str: ...

    def prepare(self, images: Pixels) -> Any: ...

    def answer(self, prepared: Any) -> NDArray[np.float32]: ...


@runtime_checkable
class Embeds(Prepares, Protocol):
    """A classifier that has an embedding of what it prepared: float32 (n, columns), or None."""

    def embedding(self, prepared: Any) -> NDArray[np.float32] | None: ...


def combine(folders: Sequence[Path], classes: Sequence[str], target: Path) -> None:
    """Make one model of several: move their folders to `members/0`, `members/1`, ... of `target`.

    Args:
        folders: of trained models of the same classes.
        classes: their names, in order.
        target: made if need be.

    Raises:
        OSError: one can't be moved.
    """
    for place, folder in enumerate(folders):
        there = target / MEMBERS / str(place)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, there)
    (target / CLASSES_FILE).write_text(
        json.dumps(list(classes), ensure_ascii=False), encoding="utf-8"
    )


def is_ensemble(folder: Path) -> bool:
    """Say whether `combine` wrote a folder."""
    return (folder / MEMBERS).is_dir()


def root_of(folder: Path) -> Path:
    """Return the folder of the whole model that a member is of; its own where it is of none."""
    while folder.parent.name == MEMBERS:
        folder = folder.parent.parent
    return folder


def load(folder: Path, load_member: Callable[[Path], Classifier]) -> Ensemble:
    """Read what `combine` wrote.

    Raises:
        OSError, ValueError: a member lacks a file, or one is damaged, or their classes differ.
    """
    places = sorted((folder / MEMBERS).iterdir(), key=lambda path: int(path.name))
    members = tuple(load_member(place) for place in places)
    classes = tuple(json.loads((folder / CLASSES_FILE).read_text(encoding="utf-8")))
    for place, member in zip(places, members, strict=True):
        if member.classes != classes or member.image_size != members[0].image_size:
            raise ValueError(f"{place}: its classes or image size are not those of the others")
    if not members:
        raise ValueError(f"{folder / MEMBERS}: is empty")
    return Ensemble(members, classes)


@dataclass(frozen=True)
class Ensemble:
    """Loaded models that answer together."""

    members: tuple[Classifier, ...]
    classes: tuple[str, ...]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels, the same for every member."""
        return self.members[0].image_size

    def predict(self, images: Pixels) -> NDArray[np.float32]:
        """Answer uint8 (n, height, width, 3) in [0, 255] with float32 (n, classes).

        May be called from several threads at once. So many images as are prepared at a time
        bound the memory: a backbone's activations are large.
        """
        parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        found = [self._answer(part) for part in parts]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *found])

    def _answer(self, images: Pixels) -> NDArray[np.float32]:
        return answer(self, images)[0]

    def leaves(self) -> Iterator[tuple[Classifier, float]]:
        """Give the single models within, and the weight of each in the mean."""
        for member in self.members:
            within = member.leaves() if isinstance(member, Ensemble) else [(member, 1.0)]
            yield from ((one, weight / len(self.members)) for one, weight in within)


def leaves(model: Classifier) -> list[tuple[Classifier, float]]:
    """Return the single models of a model, and the weight of each in its answer."""
    return list(model.leaves()) if isinstance(model, Ensemble) else [(model, 1.0)]


def embedding(model: Classifier, images: Pixels) -> NDArray[np.float32] | None:
    """Return what `answer` does as the embedding, without the answers."""
    for one, _ in leaves(model):
        if isinstance(one, Embeds) and (found := one.embedding(one.prepare(images))) is not None:
            return found
    return None


def answer(
    model: Classifier, images: Pixels
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Answer images in one pass: probabilities (n, classes), and the embedding (n, columns).

    The embedding is that of the first single model that has one; None without.

    Args:
        images: uint8 (n, height, width, 3) in [0, 255]; as many as memory holds activations of.
    """
    prepared: dict[str, Any] = {}
    total = np.zeros((len(images), len(model.classes)))
    found = None
    for one, weight in leaves(model):
        if not isinstance(one, Prepares):
            total += weight * one.predict(images)
            continue
        if one.prepared_as not in prepared:
            prepared[one.prepared_as] = one.prepare(images)
        total += weight * one.answer(prepared[one.prepared_as])
        if found is None and isinstance(one, Embeds):
            found = one.embedding(prepared[one.prepared_as])
    return total.astype(np.float32), found
