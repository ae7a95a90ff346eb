"""Trained models that take no time to make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from mlflow.models import Model
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mineralsweep.activations.pooling import LogCovariance
from mineralsweep.serving import pyfunc
from mineralsweep.serving.probe import Probe, StageClassifier

SIDE = 32
CLASSES = ("ash", "beech", "cedar")


def images(count: int = 21, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Return uint8 (count, side, side, 3), of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def backbone() -> keras.Model:
    """Return a network with two stages."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    fine = keras.layers.Conv2D(5, 3, 2, "same", activation="relu")(inputs / 255.0)
    coarse = keras.layers.Conv2D(7, 3, 2, "same", activation="relu")(fine)
    return keras.Model(inputs, [fine, coarse])


def network(seed: int = 1) -> keras.Model:
    """Return a network that answers with probabilities of three classes."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.Dense(6, activation="relu")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(len(CLASSES), activation="softmax")(x))


def probe(seed: int = 0) -> Probe:
    """Return a probe whose first stage has covariances, and whose second has means."""
    empty = Probe(backbone(), (), CLASSES, (SIDE, SIDE), "horizontal", "tiny")
    seen = images(seed=seed)
    fine, coarse = empty.prepare(seen)
    labels = np.arange(len(seen)) % 2 * 2  # of beech there was none
    members = []
    for stage, views, pooling in (
        ("fine", fine, LogCovariance.fit(fine, 4)),
        ("coarse", coarse, None),
    ):
        member = StageClassifier(stage, pooling, None)
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        classifier.fit(member.numbers(views), labels)
        members.append(replace(member, classifier=classifier))
    return replace(empty, members=tuple(members))


def packed(trained: Path, folder: Path) -> Path:
    """Return the folder of a trained model as MLflow's pyfunc."""
    pyfunc.save(trained, folder, Model(metadata={"architecture": "tiny"}))
    return folder
