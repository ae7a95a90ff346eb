"""All that a saved model needs to answer: network, estimator, ensemble, and the MLflow model."""

from mineralsweep.serving.own_code import needs_code

__all__ = ["needs_code"]
