"""How a trained model is handed to MLflow: code, signature and requirements."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import mineralsweep
from mineralsweep.serving.estimator import ESTIMATOR_FILE
from mineralsweep.serving.network import NETWORK_FILE

REQUIREMENTS = ("mlflow", "numpy", "pandas", "pillow")
"""What serving any model needs beside this package, whose code travels with the model."""

OF_KIND = {
    NETWORK_FILE: ("tensorflow", "keras"),
    ESTIMATOR_FILE: ("scikit-learn", "scikit-image", "scipy", "skops"),
}
"""What a model needs more, by the file that it lies in."""


def flavor_arguments(folder: Path) -> dict[str, Any]:
    """Return the arguments for mlflow.pyfunc's save_model and log_model.

    Args:
        folder: holds a model that `network.load` reads.
    """
    package = Path(mineralsweep.__file__).parent
    return {
        "python_model": str(package / "serving" / "model_from_code.py"),
        "artifacts": {"network": str(folder)},
        "code_paths": [str(package)],
        "signature": _signature(),
        "pip_requirements": requirements(folder),
    }


def requirements(folder: Path) -> list[str]:
    """Return what the model in `folder` needs to be served, pinned; no library that it does not."""
    wanted = [*REQUIREMENTS]
    for file, more in OF_KIND.items():
        if any(folder.rglob(file)):
            wanted += more
    return [f"{name}=={metadata.version(name)}" for name in wanted]


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
