"""Arguments for another library's class, as a sweep file gives them, held to its own signature."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Mapping
from typing import Any

from mineralsweep.config.rules import Misplaced
from mineralsweep.errors import did_you_mean

PLAIN: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "None": (type(None),),
}
"""The kinds of values that a sweep file holds, by the names of their annotations."""

Kinds = dict[str, tuple[str, ...]]


def arguments(owner: type, kept: Collection[str] = ()) -> Kinds:
    """Return the arguments of a class that a sweep file can give: name -> kinds of value.

    Args:
        owner: the class.
        kept: the arguments that this package sets itself.
    """
    found: Kinds = {}
    for name, parameter in inspect.signature(owner).parameters.items():
        annotation = parameter.annotation
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        kinds = tuple(part.strip() for part in text.split("|") if part.strip() in PLAIN)
        if name not in kept and kinds not in ((), ("None",)):
            found[name] = kinds
    return found


def check_options(place: str, owner: str, known: Kinds, options: Mapping[str, Any]) -> None:
    """Hold options to what a class takes.

    Args:
        place: in the sweep file, such as "sampler_options".
        owner: the class's name, for the message.
        known: see `arguments`.
        options: as they were read from the file.

    Raises:
        Misplaced: an unknown name, or a value of the wrong kind.
    """
    for name, value in options.items():
        if name not in known:
            hint = did_you_mean(str(name), known) if known else "; it takes none"
            raise Misplaced(f"{place}.{name}", f"{owner} takes no such option{hint}")
        if not any(_is(value, kind) for kind in known[name]):
            kinds = " or ".join(known[name])
            raise Misplaced(f"{place}.{name}", f"must be {kinds}, got {value!r}")


def check_values(place: str, owner: type, options: Mapping[str, Any]) -> None:
    """Build a class once, so that it checks the ranges of its arguments itself.

    Raises:
        Misplaced: the class refuses its arguments, or calls one of them outdated.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", FutureWarning)  # what the library will take away
            owner(**options)
    except (ValueError, TypeError, FutureWarning) as error:
        raise Misplaced(place, f"{owner.__name__}: {' '.join(str(error).split())}") from None


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, PLAIN[kind])
