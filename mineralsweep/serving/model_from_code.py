"""What MLflow runs to load the model ("models from code"): no pickle is read."""

from mlflow.models import set_model

from mineralsweep.serving.classifier import ImageClassifier

set_model(ImageClassifier())
