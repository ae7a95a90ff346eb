"""What every package speaks in: plain data, without TensorFlow, MLflow or a search library."""
