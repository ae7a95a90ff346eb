"""Trees and linear models on an image's colour and texture: what a network has to beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mineralsweep import descriptors
from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models.architecture import Architecture, Hyperparameter, number

MOST_TREES = 1000
SVM_PARTS = 3
"""Parts that the training images are cut into, to fit an SVM's probabilities."""
SMALLEST_PENALTY, LARGEST_PENALTY = 1e-4, 1e4


def build(num_classes: int, **hyperparameters: Hyperparameter) -> Any:
    """Return an unfitted scikit-learn classifier with balanced class weights.

    Args:
        num_classes: at least 2.
        hyperparameters: `estimator`, one of ESTIMATORS; `trees`, from 1 to 1000, of those that
            have trees; `penalty`, from 1e-4 to 1e4, how much large weights cost in those that
            have weights, 1 being what suits a few hundred images; `features`, one of
            `descriptors.SETS`, which decides the numbers that it is fitted on.

    Raises:
        ArchitectureError: a hyperparameter is unknown or out of its range.
    """
    name = str(hyperparameters.get("estimator", "vote"))
    if name not in ESTIMATORS:
        raise ArchitectureError(f"estimator: unknown name '{name}'{did_you_mean(name, ESTIMATORS)}")
    descriptors.blocks(str(hyperparameters.get("features", "whole")))
    trees = number("trees", hyperparameters.get("trees", 200), 1, MOST_TREES)
    if not trees.is_integer():
        raise ArchitectureError(f"trees: must be a whole number, got {trees}")
    penalty = number(
        "penalty", hyperparameters.get("penalty", 1.0), SMALLEST_PENALTY, LARGEST_PENALTY
    )
    return ESTIMATORS[name](int(trees), penalty)


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
    build_estimator=build,
    image_size=(128, 128),
    smallest=descriptors.SMALLEST,
    split="40/20/40",
    summary="colour and texture in numbers, under trees and a linear model",
    hyperparameters={"estimator": "vote", "trees": 200, "penalty": 1.0, "features": "whole"},
)
