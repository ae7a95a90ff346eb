"""Fitting a probe: a classifier on each stage of a frozen backbone, no gradient steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import keras
import numpy as np
from numpy.typing import NDArray

from mineralsweep.activations import keys, stages
from mineralsweep.activations.pooling import PRINCIPAL_CHANNELS, LogCovariance, Views
from mineralsweep.activations.stages import StagesWanted
from mineralsweep.core.trial import Say, TrialSpec
from mineralsweep.models import backbones
from mineralsweep.models.probe import stages_of
from mineralsweep.serving.probe import Probe, StageClassifier
from mineralsweep.training.estimators import fitted
from mineralsweep.training.recipe import choose, used

if TYPE_CHECKING:
    from mineralsweep.core.recipe import Flips


def fit(
    spec: TrialSpec, say: Say, threads: int
) -> tuple[Probe, NDArray[np.float32], NDArray[np.float32]]:
    """Fit `spec`'s probe; return it and its answers to the training and validation images.

    Raises:
        InputError: it can't be built as asked.
    """
    settings, examples = spec.hyperparameters, spec.examples
    backbone = backbones.get(str(settings["backbone"]))
    names = stages_of(backbone, str(settings["stages"]))
    flips = cast("Flips", settings["flips"])
    precision = choose(spec.precision)
    # Random weights are the same in every fold.
    keras.utils.set_random_seed(spec.seed if spec.views_seed is None else spec.views_seed)
    trunk = backbone.trunk((*spec.image_size, 3), "backbone")
    backbone.load(trunk, str(settings["weights"]))
    weights = keys.of_weights(trunk)
    network = pixels_to_stages(backbone, trunk, names)
    quick = network
    if precision != "float32":  # what is saved and served is in float32
        with used(precision):
            again = backbone.trunk((*spec.image_size, 3), "quick")
            quick = pixels_to_stages(backbone, again, names)
        quick.set_weights(network.get_weights())
    rows = tuple(sorted({*examples.train, *examples.validation}))
    wanted = StagesWanted(names, weights, examples.arrays, rows, flips, precision)
    activations = stages.ensure(quick, wanted, say)
    place = {row: position for position, row in enumerate(rows)}
    train = [place[row] for row in examples.train]
    validation = [place[row] for row in examples.validation]
    say("fitting")
    pooled = [_pooled(spec, one, activations[one], train) for one in names]
    numbers = [one.numbers(activations[one.stage]) for one in pooled]
    members = tuple(
        replace(one, classifier=fitted(spec, own[train], threads))
        for one, own in zip(pooled, numbers, strict=True)
    )
    probe = Probe(
        network, members, examples.classes, spec.image_size, flips,
        f"{backbone.name} {weights}, {'+'.join(names)}, flips {flips}",
    )  # fmt: skip
    of_train, of_validation = (
        probe.answer_numbers([own[part] for own in numbers]) for part in (train, validation)
    )
    return probe, of_train, of_validation


def pixels_to_stages(
    backbone: backbones.Backbone, trunk: keras.Model, names: Sequence[str]
) -> keras.Model:
    inputs = keras.Input(trunk.input_shape[1:], name="image")
    return keras.Model(
        inputs, backbone.cut(trunk, names)(backbone.scale(inputs)), name=backbone.name
    )


def _pooled(spec: TrialSpec, stage: str, views: Views, train: Sequence[int]) -> StageClassifier:
    """Return what pools a stage, fitted on the training images; it has no classifier yet."""
    if spec.hyperparameters["pooling"] != "covariance":
        return StageClassifier(stage, None, None)
    seen = [view[train] for view in views]
    return StageClassifier(stage, LogCovariance.fit(seen, PRINCIPAL_CHANNELS), None)
