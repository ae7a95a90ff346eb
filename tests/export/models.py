"""Tiny trained models of every kind that is exported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mineralsweep.activations.pooling import LogCovariance
from mineralsweep.core.recipe import Flips
from mineralsweep.serving.ensemble import Ensemble
from mineralsweep.serving.network import Network
from mineralsweep.serving.probe import Probe, StageClassifier

SIDE = 24
CLASSES = ("ash", "beech", "cedar")
IMAGES = np.random.default_rng(0).integers(0, 256, (21, SIDE, SIDE, 3)).astype(np.uint8)


def network(seed: int = 0, flips: Flips = "all", classes: tuple[str, ...] = CLASSES) -> Network:
    """Return a network with augmentation, which sleeps when it answers."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.RandomFlip()(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")(x)
    x = keras.layers.Flatten()(keras.layers.Dropout(0.5)(x))
    x = keras.layers.Dense(len(classes), activation="softmax")(x)
    return Network(keras.Model(inputs, x, name="tiny"), classes, flips)


def backbone(seed: int = 0) -> keras.Model:
    """Return a network of pixels with two stages, of 5 and of 7 channels."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIDE, SIDE, 3))
    fine = keras.layers.Conv2D(5, 3, 2, "same", activation="relu")(inputs / 255.0)
    coarse = keras.layers.Conv2D(7, 3, 2, "same", activation="relu")(fine)
    return keras.Model(inputs, [fine, coarse], name="tiny")


def probe(
    covariances: bool,
    labels: Any = (0, 1, 2),
    seed: int = 0,
    trunk: keras.Model | None = None,
    classifier: Any = None,
) -> Probe:
    """Return a probe of two stages, fitted on IMAGES.

    Args:
        covariances: how it pools; or means and deviations.
        labels: of the images, in turn; of a class that is not among them there was no image.
        seed: of the backbone.
        trunk: in place of a new backbone.
        classifier: in place of the linear one.
    """
    empty = Probe(trunk or backbone(seed), (), CLASSES, (SIDE, SIDE), "horizontal", f"tiny {seed}")
    members = []
    for stage, views in zip(("fine", "coarse"), empty.prepare(IMAGES), strict=True):
        pooling = LogCovariance.fit(views, 4) if covariances else None
        member = StageClassifier(stage, pooling, None)
        fitted = classifier or make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
        fitted.fit(member.numbers(views), np.resize(labels, len(IMAGES)))
        members.append(replace(member, classifier=fitted))
    return replace(empty, members=tuple(members))


def kinds() -> dict[str, Any]:
    """Return a model of each kind that is exported."""
    trunk = backbone(3)
    folds = [probe(True, labels, 3, trunk) for labels in ((0, 1, 2), (2, 2, 1, 0))]
    return {
        "a network with flips": network(),
        "a probe of means and deviations": probe(False),
        "a probe of covariances": probe(True),
        "a probe that saw two classes of three": probe(True, (0, 2)),
        "folds of a network": Ensemble((network(1), network(2, "none")), CLASSES),
        "folds of a probe": Ensemble(tuple(folds), CLASSES),
        "a vote of folds and another network": Ensemble(
            (Ensemble(tuple(folds), CLASSES), probe(False, seed=4), network(5)), CLASSES
        ),
    }
