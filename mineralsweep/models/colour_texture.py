"""Trees and linear models on an image's colour and texture: what a network has to beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mineralsweep import descriptors
from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.models.architecture import Architecture

SVM_PARTS = 3
"""Parts that the training images are cut into, to fit an SVM's probabilities."""


def build(num_classes: int, *, estimator: str, trees: int, penalty: float, features: str) -> Any:
    """Return an unfitted scikit-learn classifier with balanced class weights.

    Args:
        num_classes: at least 2.
        estimator: one of ESTIMATORS.
        trees: of those that have trees.
        penalty: how much large weights cost in those that have weights; 1 suits a few hundred
            images.
        features: one of `descriptors.SETS`: the numbers that it is fitted on.
    """
    return ESTIMATORS[estimator](trees, penalty)


def _extra_trees(trees: int, penalty: float) -> Any:
    """Geurts, Ernst & Wehenkel 2006, Machine Learning 63:3."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(trees, class_weight="balanced")


def _forest(trees: int, penalty: float) -> Any:
    """Breiman 2001, Machine Learning 45:5."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, class_weight="balanced")


def _linear(trees: int, penalty: float) -> Any:
    """Multinomial logistic regression on standardised numbers."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=0.01 / penalty, max_iter=3000, class_weight="balanced")
    return make_pipeline(StandardScaler(), model)


def _svm(trees: int, penalty: float) -> Any:
    """A support vector machine with a Gaussian kernel; probabilities by Platt's sigmoids.

    The sigmoids are fitted on held-out parts of the training images (Platt 1999).
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    model = SVC(C=10.0 / penalty, class_weight="balanced")
    return make_pipeline(
        StandardScaler(), CalibratedClassifierCV(model, cv=SVM_PARTS, ensemble=False)
    )


def _vote(trees: int, penalty: float) -> Any:
    """The mean of the probabilities of extra trees and the linear model."""
    from sklearn.ensemble import VotingClassifier

    members = [("trees", _extra_trees(trees, penalty)), ("linear", _linear(trees, penalty))]
    return VotingClassifier(members, voting="soft")


ESTIMATORS: dict[str, Callable[[int, float], Any]] = {
    "extra_trees": _extra_trees,
    "forest": _forest,
    "linear": _linear,
    "svm": _svm,
    "vote": _vote,
}

COLOUR_TEXTURE = Architecture(
    name="colour_texture",
    summary="hand-crafted colour and texture features, under trees and a linear model",
    build_estimator=build,
    image_size=(128, 128),
    smallest=descriptors.SMALLEST,
    split="40/20/40",
    epochs=1,
    own=(
        Hyperparameter(
            "estimator", "name", "which classifier is fitted",
            default="vote", choices=tuple(ESTIMATORS),
        ),
        Hyperparameter(
            "trees", "int", "how many, of extra_trees, forest and vote",
            default=200, low=1, high=1000, log=True,
        ),
        Hyperparameter(
            "penalty", "float", "the cost of large weights, of linear, svm and vote",
            default=1.0, low=1e-4, high=1e4, log=True,
        ),
        Hyperparameter(
            "features", "name", "the descriptors that it is fitted on",
            default="whole", choices=tuple(descriptors.SETS),
        ),
    ),
)  # fmt: skip

ARCHITECTURES = (COLOUR_TEXTURE,)
