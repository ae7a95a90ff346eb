"""A network of the user's own: a function, or an `Architecture`, in a file or an installed package.

::

    # my_nets.py
    from mineralsweep import Hyperparameter

    HYPERPARAMETERS = [Hyperparameter("width", "int", "channels", default=16, low=4, high=64)]

    def build(input_shape, num_classes, width):
        ...                                # -> keras.Model, uncompiled; see `architecture.Builder`

Without HYPERPARAMETERS, those parameters of the function that have a default are its
hyperparameters: a number or a text. They have no range of their own; the sweep file's entry does.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache, partial
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mineralsweep.core.hyperparameter import Hyperparameter, Kind, Value
from mineralsweep.core.reference import absolute, parts, readable
from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models.architecture import Architecture
from mineralsweep.silence import stderr_silenced

if TYPE_CHECKING:
    import keras

DECLARED = "HYPERPARAMETERS"
KINDS: dict[object, Kind] = {
    float: "float", int: "int", str: "name", "float": "float", "int": "int", "str": "name",
}  # fmt: skip
"""Of a parameter, by its annotation or the type of its default."""

TOLERANCE = 0.02
"""Of the sum of the probabilities: bfloat16 has three digits."""

MISTAKES = (TypeError, ValueError, AttributeError, NameError, LookupError, ImportError,
            AssertionError, ArithmeticError)  # fmt: skip
"""What a builder's own mistake raises. Want of memory is none: it may pass."""


def load(name: str) -> Architecture:
    """Return the network that a reference names.

    Args:
        name: `my_nets.py:build`, its path absolute or from the working folder, or
            `package.module:build`.

    Raises:
        ArchitectureError: there is no such file, module or function, it can't be imported, or it
            is no builder of a network.
    """
    reference = absolute(name)
    place, attribute = parts(reference)
    if not place or not attribute:
        raise ArchitectureError(
            f"architecture: must be FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION, got '{name}'"
        )
    changed = 0
    if place.endswith(".py"):
        try:
            changed = Path(place).stat().st_mtime_ns
        except OSError:
            near = [str(path) for path in Path(place).parent.glob("*.py")]
            hint = did_you_mean(place, near) if near else ""
            raise ArchitectureError(f"{name}: no such file: {place}{hint}") from None
    return _load(reference, readable(name), changed)


@lru_cache(maxsize=64)
def _load(reference: str, name: str, changed: int) -> Architecture:
    """Load once; `changed`, a file's time of change, is there to tell its versions apart."""
    place, attribute = parts(reference)
    module = _module(place, name)
    named = getattr(module, attribute, None)
    if isinstance(named, Architecture):
        if named.builder is None:
            return replace(named, name=name, address=reference)
        builder = partial(_build, named.builder, name)
        return replace(named, name=name, builder=builder, address=reference)
    if named is None:
        known = [one for one in vars(module) if not one.startswith("_")]
        hint = did_you_mean(attribute, known) if known else ""
        raise ArchitectureError(f"{name}: {place} has no '{attribute}'{hint}")
    if not callable(named):
        raise ArchitectureError(
            f"{name}: '{attribute}' must be a function or an Architecture, got"
            f" {type(named).__name__}"
        )
    return Architecture(
        name=name,
        summary=(inspect.getdoc(named) or "a network of the user's own").splitlines()[0],
        builder=partial(_build, named, name),
        own=_hyperparameters(getattr(module, DECLARED, None), named, name),
        smallest=1,
        gains_from_bfloat16=False,  # its last layer may not be held to float32
        address=reference,
    )


def _module(place: str, name: str) -> ModuleType:
    """Import a file or a module of the user's.

    Raises:
        ArchitectureError: it can't be imported; the message has the exception, and its line.
    """
    try:
        return _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
    except SyntaxError as error:
        raise ArchitectureError(
            f"{name}: can't be imported: SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
        ) from error
    except (Exception, SystemExit) as error:
        raise ArchitectureError(f"{name}: can't be imported: {_told(error)}") from error


def _load_keras_quietly(source: str | None) -> None:
    """Load Keras before a module that names it: TensorFlow greets on stderr, whatever is set."""
    if source and Path(source).is_file() and b"keras" in Path(source).read_bytes():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else it looks for a GPU aloud, later
        with stderr_silenced():
            import_module("keras")


def _from_file(path: Path) -> ModuleType:
    _load_keras_quietly(str(path))
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    spec = util.spec_from_file_location(f"own_{path.stem}_{digest}", path)
    assert spec is not None  # the file ends in .py
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _from_package(place: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # a package that lies in the working folder
    found = util.find_spec(place)
    _load_keras_quietly(found.origin if found else None)
    return import_module(place)


def _told(error: BaseException) -> str:
    """Say an exception in one line, with where it was raised."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    first = (str(error).splitlines() or [""])[0]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first}{where}"


def _hyperparameters(
    declared: Iterable[Hyperparameter] | None, function: Callable[..., Any], name: str
) -> tuple[Hyperparameter, ...]:
    """Return a function's hyperparameters: those declared beside it, else its parameters.

    Raises:
        ArchitectureError: the function can't be called as a builder, or lacks a declared one.
    """
    parameters = inspect.signature(function).parameters.values()
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
    named = [one for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    if len(named) < 2 or any(one.kind is one.KEYWORD_ONLY for one in named[:2]):
        raise ArchitectureError(
            f"{name}: must take (input_shape, num_classes, ...), takes"
            f" {inspect.signature(function)}"
        )
    own = {one.name: one for one in named[2:]}
    if declared is None:
        return tuple(_of_parameter(one, name) for one in own.values() if _is_plain(one))
    for one in declared:
        if not isinstance(one, Hyperparameter):
            raise ArchitectureError(f"{name}: {DECLARED} must hold Hyperparameter, got {one!r}")
        if one.name not in own and not takes_all:
            raise ArchitectureError(
                f"{name}: {DECLARED} has '{one.name}', which the function does not take;"
                " add the parameter"
            )
    return tuple(declared)


def _is_plain(parameter: inspect.Parameter) -> bool:
    default = parameter.default
    return default is parameter.empty or type(default) in (float, int, str)


def _of_parameter(parameter: inspect.Parameter, name: str) -> Hyperparameter:
    if parameter.default is parameter.empty:
        raise ArchitectureError(
            f"{name}: parameter '{parameter.name}' needs a default, such as 0.5, 16 or 'relu'"
        )
    default: Value = parameter.default
    kind = KINDS.get(parameter.annotation) or KINDS[type(default)]
    return Hyperparameter(parameter.name, kind, default=default)


def _build(
    function: Callable[..., Any],
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    **hyperparameters: Value,
) -> keras.Model:
    """Call the user's builder, and hold what it returns to the contract.

    Raises:
        ArchitectureError: it fails, or returns something else than a network of this contract.
    """
    try:
        model = function(input_shape, num_classes, **hyperparameters)
    except MISTAKES as error:
        raise ArchitectureError(f"{name}: can't be built: {_told(error)}") from error
    _check_shapes(model, name, input_shape, num_classes)
    _check_answer(model, name, input_shape)
    return model


def _check_shapes(
    model: Any, name: str, input_shape: tuple[int, int, int], num_classes: int
) -> None:
    import keras

    if not isinstance(model, keras.Model):
        raise ArchitectureError(f"{name}: must return a keras.Model, got {type(model).__name__}")
    try:
        inputs, outputs = model.input_shape, model.output_shape
    except (AttributeError, ValueError):
        raise ArchitectureError(
            f"{name}: must return a built model; make it as keras.Model(inputs, outputs)"
        ) from None
    if inputs != (None, *input_shape):
        raise ArchitectureError(f"{name}: must take {(None, *input_shape)}, takes {inputs}")
    if outputs != (None, num_classes):
        raise ArchitectureError(
            f"{name}: must answer {(None, num_classes)}, a probability a class, answers {outputs}"
        )


def _check_answer(model: keras.Model, name: str, input_shape: tuple[int, int, int]) -> None:
    # Of a black, a noisy and a white image: one answer alone may add up to 1 by chance.
    black = np.zeros(input_shape, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, input_shape, dtype=np.uint8)
    for image in (black, noise, np.full_like(black, 255)):
        answer = np.asarray(model(image[None], training=False), np.float64)[0]
        if not (answer.min() >= 0 and abs(answer.sum() - 1) <= TOLERANCE):
            raise ArchitectureError(
                f"{name}: must answer probabilities that add up to 1, got a sum of"
                f" {answer.sum():.3g} and a least of {answer.min():.3g}; end with a softmax"
            )
