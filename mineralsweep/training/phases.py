"""What a trial trains, in which order: the whole network, or only what its frozen trunk feeds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from mineralsweep.activations import prefix
from mineralsweep.activations.prefix import ActivationsWanted
from mineralsweep.activations.store import Activations, NoRoom
from mineralsweep.core.recipe import AXES
from mineralsweep.core.trial import Say, TrialSpec
from mineralsweep.data import arrays
from mineralsweep.models import get as get_architecture
from mineralsweep.models.trunk import Trunk
from mineralsweep.training import head
from mineralsweep.training.batches import Batches, RecipeBatches, ViewDraws, soft_labels

FITTED = "fitted"


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one model.

    Attributes:
        model: uncompiled; a part of the whole network that shares its layers, or the whole.
        batches: to train on; they follow from the epoch.
        validation: inputs for the model, in the order of the validation labels: as many arrays as
            the recipe has views, the image itself first.
        until: its last epoch.
        learning_rate: of its first step.
    """

    model: keras.Model
    batches: Batches
    validation: Sequence[Any]
    until: int
    learning_rate: float


def head_is_fitted(spec: TrialSpec) -> bool:
    """Say whether training starts from a linear model on what the trunk answers."""
    has_one = get_architecture(spec.architecture).trunk is not None
    return has_one and spec.hyperparameters.get("head") == FITTED


def keeps_activations(spec: TrialSpec) -> bool:
    """Say whether some of the trunk stays frozen, so that its answers can be kept."""
    trunk = get_architecture(spec.architecture).trunk
    kept = trunk is not None and trunk.frozen(spec.hyperparameters) > 0
    return kept and spec.views > 0 and not spec.recipe.needs_pixels()


def from_pixels(spec: TrialSpec, whole: keras.Model, precision: str, say: Say) -> list[Phase]:
    """Train the whole network on images, with a new view of each in every epoch."""
    pixels, examples = arrays.load(spec.examples.arrays), spec.examples
    if head_is_fitted(spec):
        _start_head(spec, whole, precision, say)
    images, validation = pixels[list(examples.train)], pixels[list(examples.validation)]
    if spec.recipe.draws_batches():
        batches: Batches = RecipeBatches(
            images, examples.train_labels, len(examples.classes), spec.batch_size, spec.recipe,
            spec.seed,
        )  # fmt: skip
    else:
        batches = Batches(images, examples.train_labels, spec.batch_size, spec.seed)
    views = [np.flip(validation, axes) for axes in AXES[spec.recipe.flips]]
    return [Phase(whole, batches, views, spec.epochs, spec.learning_rate)]


def from_activations(spec: TrialSpec, whole: keras.Model, precision: str, say: Say) -> list[Phase]:
    """Train what is above the frozen trunk on the trunk's kept answers.

    Args:
        spec: the trial; its trunk has frozen layers.
        whole: the network without augmentation.
        precision: of the trunk's computation.
        say: is told of what has to be computed.

    Raises:
        NoRoom: they can't be kept.
    """
    kept = _Kept(spec, whole, precision, say)
    if head_is_fitted(spec):
        kept.start_head()
    architecture, phases = get_architecture(spec.architecture), []
    unfrozen = kept.trunk.unfrozen(spec.hyperparameters)
    head_epochs = min(spec.head_epochs, spec.epochs) if unfrozen else 0
    if head_epochs:
        phases.append(kept.phase(0, head_epochs, architecture.learning_rate))
    if head_epochs < spec.epochs:
        phases.append(kept.phase(unfrozen, spec.epochs, spec.learning_rate))
    return phases


def _trunk_of(spec: TrialSpec) -> Trunk:
    trunk = get_architecture(spec.architecture).trunk
    assert trunk is not None  # a network whose head is fitted, or that has frozen layers
    return trunk


class _Kept:
    """The kept answers of a trial's frozen trunk; the arguments are those of `from_activations`."""

    def __init__(self, spec: TrialSpec, whole: keras.Model, precision: str, say: Say) -> None:
        self.trunk = _trunk_of(spec)
        self._spec, self._whole, self._precision, self._say = spec, whole, precision, say

    def start_head(self) -> None:
        """Fit the head on what the whole trunk answers to the training images."""
        views, places = self._plain(0)
        train = [view[places(self._spec.examples.train)] for view in views]
        _fit_head(self._spec, self._whole, train)

    def phase(self, cut: int, until: int, rate: float) -> Phase:
        """Return a stretch of epochs of what lies above a cut."""
        spec, examples = self._spec, self._spec.examples
        strength = float(spec.hyperparameters.get("augmentation") or 0.0)
        plain, places = self._plain(cut)
        validation = [np.asarray(view[places(examples.validation)]) for view in plain]
        if strength:  # each fold of a trial finds the views of the others
            rows = tuple(sorted(examples.pool or examples.train))
            seed = spec.seed if spec.views_seed is None else spec.views_seed
            plain, places = self._ask(cut, rows, strength, seed), _places(rows)
        labels: Any = np.asarray(examples.train_labels)
        if spec.recipe.draws_batches():
            labels = soft_labels(labels, len(examples.classes), spec.recipe)
        draws = ViewDraws(plain, places(examples.train), labels, spec.batch_size, spec.seed)
        return Phase(self.trunk.segment(self._whole, cut, None), draws, validation, until, rate)

    def _plain(self, cut: int) -> tuple[list[Activations], Any]:
        """Return the views that the recipe answers with, of all images that the trial may see."""
        examples = self._spec.examples
        rows = tuple(sorted({*examples.train, *examples.validation}))
        return self._ask(cut, rows, 0.0, 0), _places(rows)

    def _ask(
        self, cut: int, rows: tuple[int, ...], strength: float, seed: int
    ) -> list[Activations]:
        spec = self._spec
        through = max(cut, spec.deepest)
        wanted = ActivationsWanted(
            self.trunk.segment, cut, through, spec.examples.arrays, rows, strength, spec.views,
            seed, self._precision, spec.recipe.flips,
        )  # fmt: skip
        return prefix.ensure(self._whole, wanted, self._say)


def _places(rows: Sequence[int]) -> Any:
    """Return what finds the places of some rows among these."""
    place = {row: position for position, row in enumerate(rows)}
    return lambda asked: [place[row] for row in asked]


def _start_head(spec: TrialSpec, whole: keras.Model, precision: str, say: Say) -> None:
    """Fit the head where nothing is kept."""
    say("fitting the head")
    answers = _trunk_of(spec).segment(whole, None, 0)
    pixels = arrays.load(spec.examples.arrays)[list(spec.examples.train)]
    views = [
        answers.predict(np.flip(pixels, axes).astype(np.float32), spec.batch_size, verbose=0)
        for axes in AXES[spec.recipe.flips]
    ]
    _fit_head(spec, whole, views)


def _fit_head(spec: TrialSpec, whole: keras.Model, views: Sequence[Any]) -> None:
    penalty = float(spec.hyperparameters.get("penalty") or 1.0)
    head.start(whole, views, spec.examples.train_labels, penalty)


def say_why_not(error: NoRoom) -> None:
    """Tell the worker's log why a trial does without the store of activations."""
    print(f"store of activations: {error}; trains through the whole network", file=sys.stderr)
