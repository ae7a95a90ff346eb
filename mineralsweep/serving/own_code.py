"""Layers of the user's own in a saved network: their file lies beside it, and is imported first."""

from __future__ import annotations

import ast
import hashlib
import inspect
import shutil
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mineralsweep.errors import ArchitectureError

if TYPE_CHECKING:
    import keras

FILE = "own_code.py"
LAMBDA = "lambda"
CARRIED = "mineralsweep.Hyperparameter"
"""What a saved model has for the user's file; it takes no more of this package."""


def needs_code(model: keras.Model) -> list[str]:
    """Name what a network consists of and Keras does not have: the code that loading it needs.

    Returns:
        `module.Class` of layers and other objects, the names of functions, and "lambda", each
        once, in the order of the layers; empty for a network of Keras' own layers.
    """
    import keras

    names: dict[str, None] = {}
    for node in _nodes(keras.saving.serialize_keras_object(model)):
        name, module = node["class_name"], node.get("module") or ""
        if name == "__lambda__":
            names[LAMBDA] = None
        elif name == "function" and module == "builtins":
            if not hasattr(keras.activations, str(node["config"])):
                names[str(node["config"])] = None
        elif module and module.partition(".")[0] != "keras":
            names[f"{module}.{name}"] = None
    return list(names)


def check(model: keras.Model, source: Path | None) -> list[str]:
    """Return what `needs_code` names, once it is certain that it can be saved.

    Args:
        model: a network.
        source: the file that holds the user's own layers, None without one.

    Raises:
        ArchitectureError: a lambda, which can't be loaded safely; code outside of `source`; or a
            file that imports what a saved model has not.
    """
    names = needs_code(model)
    if LAMBDA in names:
        raise ArchitectureError(
            "a lambda can't be saved with a network; give the layer a function or a class of your"
            " file, decorated with @keras.saving.register_keras_serializable()"
        )
    elsewhere = [name for name in names if not _is_of(name, source)]
    if elsewhere:
        where = f"move them into {source}" if source else "put them and the network into one file"
        raise ArchitectureError(
            f"{', '.join(elsewhere)}: a saved network carries one file of code; {where}, and name"
            " it in the sweep file: my_nets.py:build"
        )
    absent = _not_carried(source) if names and source else []
    if absent:
        raise ArchitectureError(
            f"{source}: imports {', '.join(absent)}, which a saved model does not carry; a file"
            f" with layers of its own may import {CARRIED} alone of mineralsweep"
        )
    return names


def keep(model: keras.Model, source: Path | None, folder: Path) -> None:
    """Put the user's file beside a network that needs it; nothing for Keras' own layers.

    Raises:
        ArchitectureError: as `check` does.
    """
    if check(model, source):
        assert source is not None  # else `check` refuses
        shutil.copyfile(source, folder / FILE)


def load(folder: Path) -> dict[str, Any]:
    """Import the user's file of a saved network, where it has one.

    Returns:
        Its classes and functions by name, for Keras' `custom_objects`.

    Raises:
        ArchitectureError: the file can't be imported.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    module = _imported(path)
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    }


def _imported(path: Path) -> ModuleType:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    spec = util.spec_from_file_location(f"own_code_{digest}", path)
    assert spec is not None  # the file ends in .py
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise ArchitectureError(
            f"{path.name}: the network's own code can't be imported: {type(error).__name__}:"
            f" {error}; install what it imports, or train the network again"
        ) from error
    return module


def _is_of(name: str, source: Path | None) -> bool:
    """Say whether a class lies in the user's file; a function's name tells no module."""
    if source is None:
        return False
    module = sys.modules.get(name.rpartition(".")[0])
    file = inspect.getsourcefile(module) if module else None
    return file is None or Path(file).resolve() == source.resolve()


def _not_carried(source: Path) -> list[str]:
    """Return what a file imports of this package and a saved model lacks."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{name.name}" for name in node.names]
    return [name for name in names if name.startswith("mineralsweep.") and name != CARRIED]


def _nodes(config: Any) -> Iterator[dict[str, Any]]:
    """Give every serialised object within a configuration, outer ones first."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list | tuple):
        for one in config:
            yield from _nodes(one)
