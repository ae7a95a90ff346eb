"""The trained network as MLflow serves it: image bytes in, label and probabilities out."""
