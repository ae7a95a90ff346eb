"""A logged model that looks its answers up: quick to load, and a test decides what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import mlflow.pyfunc
from mlflow.models import Model

from mineralsweep.serving import pyfunc
from mineralsweep.tracking import Store

CODE = """
import hashlib, json, pathlib
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Oracle(PythonModel):
    def load_context(self, context):
        self.said = json.loads(pathlib.Path(context.artifacts["answers"]).read_text())

    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        labels = [
            self.said["answers"][hashlib.sha256(bytes(content)).hexdigest()]
            for content in model_input["image"]
        ]
        return pd.DataFrame({
            "label": labels,
            "confidence": [1.0] * len(labels),
            "probabilities": [
                {name: float(name == label) for name in self.said["classes"]} for label in labels
            ],
        })


set_model(Oracle())
"""


def log(store: Store, folder: Path, classes: tuple[str, ...], said: Mapping[str, str]) -> str:
    """Log an oracle to a new run, and return the model's id.

    Args:
        store: where to.
        folder: for its files.
        classes: that it knows.
        said: a class for the digest of each file that it will be asked about.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "oracle.py").write_text(CODE)
    (folder / "answers.json").write_text(json.dumps({"classes": classes, "answers": dict(said)}))
    info = Model.log(
        artifact_path=None,
        name="model",
        flavor=mlflow.pyfunc,
        run_id=store.new_run("trial", {}),
        python_model=str(folder / "oracle.py"),
        artifacts={"answers": str(folder / "answers.json")},
        signature=pyfunc.signature(),
        pip_requirements=["mlflow"],
    )
    return str(info.model_id)
