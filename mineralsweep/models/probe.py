"""Linear models on the activations of a frozen pretrained backbone: no gradient steps."""

from __future__ import annotations

from typing import Any

from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.core.recipe import AXES
from mineralsweep.models.architecture import Architecture
from mineralsweep.models.backbones import BACKBONES, Backbone
from mineralsweep.models.colour_texture import ESTIMATORS

POOLINGS = ("covariance", "mean_and_deviation")
STAGES = ("middle", "top", "all")
CLASSIFIERS = ("linear", "svm")


def stages_of(backbone: Backbone, asked: str) -> tuple[str, ...]:
    """Return the stages that a setting names: `middle`, `top`, `all`, or `block3+block4`.

    Raises:
        ArchitectureError: the backbone has no such stage.
    """
    every = tuple(backbone.stages)
    if asked == "middle":
        return backbone.middle
    if asked in ("top", "all"):
        return every if asked == "all" else every[-1:]
    named = tuple(asked.split("+"))
    backbone.check_stages(named)
    return named


def build(num_classes: int, *, classifier: str, penalty: float, **unread: Any) -> Any:
    """Return an unfitted scikit-learn classifier with balanced class weights, of one stage.

    Args:
        num_classes: at least 2.
        classifier: one of CLASSIFIERS.
        penalty: how much large weights cost; 0.3 suits a few hundred images.
        unread: what decides the numbers that it is fitted on.
    """
    return ESTIMATORS[classifier](0, penalty)


BACKBONE = Hyperparameter(
    "backbone", "name", "the pretrained network", default="efficientnet_lite0", choices=BACKBONES
)
POOLING = Hyperparameter(
    "pooling", "name", "what is kept of a stage's activations over positions",
    default="covariance", choices=POOLINGS,
)  # fmt: skip
PENALTY = Hyperparameter(
    "penalty", "float", "the cost of large weights", default=0.3, low=1e-4, high=1e4, log=True
)

PROBE = Architecture(
    name="probe",
    summary="linear models on a frozen pretrained backbone's activations",
    build_estimator=build,
    image_size=(448, 448),
    smallest=64,
    split="40/20/40",
    epochs=1,
    own=(
        BACKBONE,
        Hyperparameter(
            "stages", "name", "which are pooled: middle, top, all, or names such as block3+block4",
            default="middle", depends_on=BACKBONE.name,
        ),
        POOLING,
        Hyperparameter(
            "classifier", "name", "which classifier is fitted on each stage",
            default="linear", choices=CLASSIFIERS,
        ),
        PENALTY,
        Hyperparameter(
            "flips", "name", "the mirror images that are pooled together with each image",
            default="horizontal", choices=tuple(AXES),
        ),
    ),
)  # fmt: skip

ARCHITECTURES = (PROBE,)
