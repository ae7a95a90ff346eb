"""All that a saved model needs to answer: network, estimator, ensemble, and the MLflow model."""
