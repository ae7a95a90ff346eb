"""Fitting a probe: a classifier on each stage of a frozen backbone, no gradient steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import keras
import numpy as np
from numpy.typing import NDArray

from mineralsweep.activations import stages
from mineralsweep.activations.pooling import LogCovariance, Views
from mineralsweep.activations.stages import StagesWanted
from mineralsweep.core.trial import Say, TrialSpec
from mineralsweep.models import backbones
from mineralsweep.models.probe import PRINCIPAL, stages_of
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
    trunk = backbone.trunk((*spec.image_size, 3), "backbone")
    backbone.load(trunk, str(settings["weights"]))
    weights = _digest(trunk)
    network = _pixels_to_stages(backbone, trunk, names)
    with used(precision):
        quick = _pixels_to_stages(backbone, backbone.trunk((*spec.image_size, 3), "quick"), names)
    quick.set_weights(network.get_weights())
    rows = tuple(sorted({*examples.train, *examples.validation}))
    wanted = StagesWanted(names, weights, examples.arrays, rows, flips, precision)
    activations = stages.ensure(quick, wanted, say)
    place = {row: position for position, row in enumerate(rows)}

    def of(stage: str, asked: Sequence[int]) -> Views:
        return [view[[place[row] for row in asked]] for view in activations[stage]]

    say("fitting")
    members = tuple(_member(spec, one, of(one, examples.train), threads) for one in names)
    probe = Probe(
        network, members, examples.classes, spec.image_size, flips,
        f"{backbone.name} {weights}, {'+'.join(names)}, flips {flips}",
    )  # fmt: skip
    trained = probe.answer([of(one, examples.train) for one in names])
    return probe, trained, probe.answer([of(one, examples.validation) for one in names])


def _pixels_to_stages(
    backbone: backbones.Backbone, trunk: keras.Model, names: Sequence[str]
) -> keras.Model:
    inputs = keras.Input(trunk.input_shape[1:], name="image")
    return keras.Model(inputs, backbone.cut(trunk, names)(backbone.scale(inputs)))


def _member(spec: TrialSpec, stage: str, train: Views, threads: int) -> StageClassifier:
    covariance = spec.hyperparameters["pooling"] == "covariance"
    pooling = LogCovariance.fit(train, PRINCIPAL) if covariance else None
    member = StageClassifier(stage, pooling, None)
    return replace(member, classifier=fitted(spec, member.numbers(train), threads))


def _digest(trunk: keras.Model) -> str:
    found = hashlib.sha256()
    for weight in trunk.get_weights():
        found.update(np.ascontiguousarray(weight).tobytes())
    return found.hexdigest()[:16]
