"""How a trained model is handed to MLflow: the code that answers, signature and requirements."""

from __future__ import annotations

import ast
import functools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mineralsweep
from mineralsweep.data import depth
from mineralsweep.data.decode import BITS
from mineralsweep.serving.compiled import GRAPH_FILE
from mineralsweep.serving.estimator import ESTIMATOR_FILE
from mineralsweep.serving.network import NETWORK_FILE
from mineralsweep.serving.probe import BACKBONE_FILE, POOLING_FILE

if TYPE_CHECKING:
    from mlflow.models import Model

# MLflow misses an example of the input; ours has a signature. Once for all, as models are saved by
# a thread: a filter set for a moment is no good in threads.
warnings.filterwarnings("ignore", message=r".*An input example was not provided")
PACKAGE = Path(mineralsweep.__file__).parent
CLASSIFIER = PACKAGE / "serving" / "classifier.py"
"""What MLflow runs to load a model."""

REQUIREMENTS = ("mlflow", "numpy", "pandas", "pillow", "pillow-heif", "threadpoolctl")
"""What serving any model needs beside this package, whose code travels with the model."""

ON_ERROR, REFUSE = "on_error", "refuse"
"""The parameter of a request, and its default; see `classifier.ImageClassifier.predict`."""

OF_KIND = {
    GRAPH_FILE: ("onnxruntime",),
    POOLING_FILE: ("scikit-learn", "scipy", "skops"),
    NETWORK_FILE: ("tensorflow", "keras"),
    BACKBONE_FILE: ("tensorflow", "keras"),
    ESTIMATOR_FILE: ("scikit-learn", "scikit-image", "scipy", "skops"),
}
"""What a model needs more, by the file that it lies in."""


def save(trained: Path, folder: Path, described: Model, bits: int = depth.FULL) -> None:
    """Write a trained model as MLflow's pyfunc, with the code that answers and no other.

    Args:
        trained: a folder that `network.load` reads.
        bits: that the collection's images with 16 bits a sample use.
        folder: MLflow's; must not be there yet, or be empty.
        described: takes what MLflow says of the model.
    """
    import mlflow.pyfunc

    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        package = Path(scratch) / PACKAGE.name
        for file in code():
            (package / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PACKAGE / file, package / file)
        mlflow.pyfunc.save_model(
            str(folder),
            mlflow_model=described,
            python_model=str(CLASSIFIER),
            artifacts={"network": str(trained)},
            model_config=None if bits == depth.FULL else {BITS: bits},
            code_paths=[str(package)],
            signature=signature(),
            pip_requirements=requirements(trained),
        )


@functools.cache
def code() -> tuple[Path, ...]:
    """Return the files of this package that the classifier imports, as paths within it.

    So are those that these import, and every package's `__init__.py` on the way.
    """
    files: set[Path] = set()
    waiting = list(_imports(CLASSIFIER))
    while waiting:
        module = waiting.pop()
        file = _file(module)
        if file is None or file.relative_to(PACKAGE) in files:
            continue
        files.add(file.relative_to(PACKAGE))
        waiting += [module.rpartition(".")[0], *_imports(file)]
    return tuple(sorted(files))


def _file(module: str) -> Path | None:
    """Return the file of a module of this package; None for another's, or a name in a module."""
    if module.partition(".")[0] != PACKAGE.name:
        return None
    place = PACKAGE.parent.joinpath(*module.split("."))
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _imports(file: Path) -> Iterator[str]:
    """Give what a file imports, wherever in it; but not what type checkers alone read."""
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        waiting += ast.iter_child_nodes(node)


def requirements(folder: Path) -> list[str]:
    """Return what the model in `folder` needs to be served, pinned; no library that it does not."""
    wanted = [*REQUIREMENTS]
    for file, more in OF_KIND.items():
        if any(folder.rglob(file)):
            wanted += more
    return [f"{name}=={metadata.version(name)}" for name in dict.fromkeys(wanted)]


def signature() -> Any:
    """Return what a model takes and answers, in MLflow's words."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Map

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(DataType.double, "confidence"),
                ColSpec(Map(DataType.double), "probabilities"),
                ColSpec(DataType.string, "verdict", required=False),
                ColSpec(DataType.double, "novelty", required=False),
                ColSpec(DataType.string, "reason", required=False),
            ]
        ),
        params=ParamSchema([ParamSpec(ON_ERROR, DataType.string, REFUSE)]),
    )
