"""What a trial trains, in which order: the whole network, or only what its frozen trunk feeds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from mineralsweep.activations import prefix
from mineralsweep.activations.prefix import FeaturesWanted
from mineralsweep.activations.store import Features, NoRoomForFeatures
from mineralsweep.core.trial import Say, TrialSpec
from mineralsweep.data import arrays
from mineralsweep.models import get as get_architecture
from mineralsweep.training.batches import Batches, RecipeBatches, ViewDraws


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one model.

    Attributes:
        model: uncompiled; a part of the whole network that shares its layers, or the whole.
        batches: to train on; they follow from the epoch.
        validation: inputs for the model, in the order of the validation labels.
        until: its last epoch.
        learning_rate: of its first step.
    """

    model: keras.Model
    batches: Batches
    validation: Any
    until: int
    learning_rate: float


def uses_features(spec: TrialSpec) -> bool:
    """Say whether some of the trunk stays frozen, so that its answers can be kept."""
    return _frozen_layers(spec) > 0 and spec.views > 0 and not spec.recipe.needs_pixels()


def from_pixels(spec: TrialSpec, whole: keras.Model) -> list[Phase]:
    """Train the whole network on images, with a new view of each in every epoch."""
    pixels, examples = arrays.load(spec.examples.arrays), spec.examples
    images, validation = pixels[list(examples.train)], pixels[list(examples.validation)]
    if spec.recipe.draws_batches():
        batches: Batches = RecipeBatches(
            images, examples.train_labels, len(examples.classes), spec.batch_size, spec.recipe,
            spec.seed,
        )  # fmt: skip
    else:
        batches = Batches(images, examples.train_labels, spec.batch_size, spec.seed)
    return [Phase(whole, batches, validation, spec.epochs, spec.learning_rate)]


def from_features(spec: TrialSpec, whole: keras.Model, precision: str, say: Say) -> list[Phase]:
    """Train what is above the frozen trunk on the trunk's kept answers.

    Args:
        spec: the trial; its trunk has frozen layers.
        whole: the network without augmentation.
        precision: of the trunk's computation.
        say: is told of what has to be computed.

    Raises:
        NoRoomForFeatures: they can't be kept.
    """
    unfrozen = int(spec.hyperparameters.get("unfrozen") or 0)
    phases = []
    head_epochs = min(spec.head_epochs, spec.epochs) if unfrozen else 0
    if head_epochs:
        rate = get_architecture(spec.architecture).default_learning_rate()
        phases.append(_phase(spec, whole, precision, say, 0, head_epochs, rate))
    if head_epochs < spec.epochs:
        rate = spec.learning_rate
        phases.append(_phase(spec, whole, precision, say, unfrozen, spec.epochs, rate))
    return phases


def _frozen_layers(spec: TrialSpec) -> int:
    architecture = get_architecture(spec.architecture)
    unfrozen = int(spec.hyperparameters.get("unfrozen") or 0)
    return 0 if architecture.segment is None else architecture.trunk_layers - unfrozen


def _phase(
    spec: TrialSpec,
    whole: keras.Model,
    precision: str,
    say: Say,
    cut: int,
    until: int,
    rate: float,
) -> Phase:
    segment = get_architecture(spec.architecture).segment
    assert segment is not None
    examples = spec.examples
    strength = float(spec.hyperparameters.get("augmentation") or 0.0)

    def ask(rows: Sequence[int], strength: float, views: int) -> list[Features]:
        wanted = FeaturesWanted(
            segment, cut, spec.deepest, examples.arrays, tuple(rows), strength, views,
            spec.seed, precision,
        )  # fmt: skip
        return prefix.ensure(whole, wanted, say)

    views = ask(examples.train, strength, spec.views if strength else 1)
    draws = ViewDraws(views, np.asarray(examples.train_labels), spec.batch_size, spec.seed)
    validation = np.asarray(ask(examples.validation, 0.0, 1)[0])
    return Phase(segment(whole, cut, None), draws, validation, until, rate)


def say_why_not(error: NoRoomForFeatures) -> None:
    """Tell the worker's log why a trial does without the feature store."""
    print(f"feature store: {error}; trains through the whole network", file=sys.stderr)
