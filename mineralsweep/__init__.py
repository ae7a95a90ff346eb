"""mineralsweep: honest hyperparameter sweeps for small photo collections, tracked in MLflow.

Importing the package loads neither TensorFlow nor MLflow; the modules that need them do.
"""

__version__ = "0.1.0"
