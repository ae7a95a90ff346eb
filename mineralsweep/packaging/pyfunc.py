"""How a trained network is handed to MLflow: code, signature and requirements."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import mineralsweep

REQUIREMENTS = ("mlflow", "tensorflow", "keras", "numpy", "pandas", "pillow")
"""What serving needs beside this package, whose code travels with the model."""


def flavor_arguments(folder: Path) -> dict[str, Any]:
    """Return the arguments for mlflow.pyfunc's save_model and log_model.

    Args:
        folder: written by `network.save`.
    """
    package = Path(mineralsweep.__file__).parent
    return {
        "python_model": str(package / "packaging" / "model_from_code.py"),
        "artifacts": {"network": str(folder)},
        "code_paths": [str(package)],
        "signature": _signature(),
        "pip_requirements": [f"{name}=={metadata.version(name)}" for name in REQUIREMENTS],
    }


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Map

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(DataType.double, "confidence"),
                ColSpec(Map(DataType.double), "probabilities"),
            ]
        ),
    )
