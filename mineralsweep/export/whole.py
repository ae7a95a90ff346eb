"""A trained model of any kind as one Keras model: pixels in, calibrated probabilities out.

It consists of Keras' own layers and operations, so that every format is made of the same graph.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.activations.pooling import REGIONS, each
from mineralsweep.errors import InputError
from mineralsweep.export.graphs import pooled, views
from mineralsweep.export.logarithm import logarithm
from mineralsweep.serving import confidence, ensemble
from mineralsweep.serving.ensemble import Classifier, Ensemble
from mineralsweep.serving.network import Network
from mineralsweep.serving.probe import Probe, StageClassifier

if TYPE_CHECKING:
    import keras

INPUT, OUTPUT = "image", "probabilities"
NEVER = -1e9
"""The logit of a class that a classifier was never shown: its probability is 0."""


def whole(model: Classifier, temperature: float) -> keras.Model:
    """Return a model: uint8 (n, height, width, 3) -> float32 (n, classes) that add up to 1.

    Its input is called `image`, its output `probabilities`.

    Args:
        model: as it was trained, not compiled.
        temperature: of `confidence.with_temperature`.

    Raises:
        InputError: a part of it has no graph; the message names the part and the reason.
    """
    import keras
    from keras import layers, ops

    check(model)
    images = keras.Input((*model.image_size, 3), dtype="uint8", name=INPUT)
    prepared: dict[str, Any] = {}
    answers = [
        float(weight) * _answer(one, f"part{place}", images, prepared)
        for place, (one, weight) in enumerate(ensemble.leaves(model))
    ]
    total = ops.sum(ops.stack(answers), axis=0)
    if temperature == 1.0:
        total = layers.Activation("linear", name=OUTPUT)(total)
    else:
        logits = ops.log(ops.maximum(total, confidence.LEAST)) / temperature
        total = layers.Softmax(name=OUTPUT)(logits)
    return keras.Model(images, total, name="mineralsweep")


def check(model: Classifier) -> None:
    """Raise InputError where a part of a model has no graph."""
    members = model.members if isinstance(model, Ensemble) else (model,)
    for place, member in enumerate(members, start=1):
        for one, _ in ensemble.leaves(member):
            reason = _obstacle(one)
            if reason:
                which = f"member {place} of {len(members)}: " if len(members) > 1 else ""
                raise InputError(
                    f"model: {which}{reason}; --format docker takes every model, or export another"
                    " one, such as that of mineralsweep train --architecture probe"
                )


def _obstacle(one: Classifier) -> str:
    """Say why a single model has no graph; "" where it has one."""
    if isinstance(one, Network):
        return ""
    if not isinstance(one, Probe):
        return (
            "hand-crafted colour and texture descriptors are computed by code of scikit-image, and"
            " are no graph"
        )
    for member in one.members:
        kinds = [type(step).__name__ for _, step in getattr(member.classifier, "steps", [])]
        if kinds != ["StandardScaler", "LogisticRegression"]:
            kind = kinds[-1] if kinds else type(member.classifier).__name__
            return f"the classifier of {member.stage} is a {kind}, and only linear ones are a graph"
    return ""


def _answer(one: Classifier, name: str, images: Any, prepared: dict[str, Any]) -> Any:
    """Return the probabilities of a single model.

    Args:
        one: a network or a probe.
        name: of its network in the whole model.
        images: the input.
        prepared: keeps what backbones answer, for other probes that prepare images alike.
    """
    if isinstance(one, Network):
        seen, mean = views(images, one.flips)
        return mean(each(_renamed(one.model, name)(seen, training=False))[0])
    assert isinstance(one, Probe)
    if one.prepared_as not in prepared:
        seen, mean = views(images, one.flips)
        prepared[one.prepared_as] = each(_renamed(one.network, name)(seen, training=False)), mean
    return _of_probe(one, *prepared[one.prepared_as])


def _renamed(model: keras.Model, name: str) -> keras.Model:
    """Return the same layers under another name: those within a model must have each its own."""
    import keras

    return keras.Model(model.inputs, model.outputs, name=name)


def _of_probe(one: Probe, stages: list[Any], mean: Any) -> Any:
    from keras import layers, ops

    answers = []
    for stage, member in zip(stages, one.members, strict=True):
        numbers = mean(pooled(ops.cast(stage, "float32"), member))
        if member.pooling is not None:
            numbers = logarithm(numbers, member.pooling.ridge)
        numbers = ops.reshape(numbers, (-1, math.prod(numbers.shape[1:])))
        head = layers.Dense(len(one.classes), activation="softmax")
        answers.append(head(numbers))
        head.set_weights(list(linear(member, len(one.classes))))
    return ops.mean(ops.stack(answers), axis=0)


def linear(
    member: StageClassifier, classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a standardisation and a logistic regression as one product: kernel and bias.

    Of a logarithm of covariances it takes the whole matrices, of which those below the diagonal
    count nothing, in place of `covariance.logarithm`'s triangles.
    """
    scaler, regression = (step for _, step in member.classifier.steps)
    weights, intercept = regression.coef_, regression.intercept_
    if len(weights) == 1:  # of two classes: the logit of the second against the first
        weights = np.concatenate([np.zeros_like(weights), weights])
        intercept = np.concatenate([[0.0], intercept])
    weights = weights / scaler.scale_
    bias = np.full(classes, NEVER)
    bias[regression.classes_] = intercept - weights @ scaler.mean_
    if member.pooling is not None:
        weights = _on_matrices(weights, member.pooling.directions.shape[1])
    kernel = np.zeros((weights.shape[1], classes))
    kernel[:, regression.classes_] = weights.T
    return kernel.astype(np.float32), bias.astype(np.float32)


def _on_matrices(weights: NDArray[Any], side: int) -> NDArray[Any]:
    """Turn weights of triangles, as `covariance.logarithm` has them, into weights of matrices."""
    rows, columns = np.triu_indices(side)
    triangles = weights.reshape(-1, REGIONS, len(rows))
    found = np.zeros((len(weights), REGIONS, side, side))
    found[..., rows, columns] = triangles * np.where(rows == columns, 1.0, np.sqrt(2.0))
    return found.reshape(len(weights), -1)
