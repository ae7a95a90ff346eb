"""The flags that several commands share, and those that hyperparameters declare."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from typing import Any

from mineralsweep.core.hyperparameter import Hyperparameter, Kind, Value
from mineralsweep.core.reference import is_reference

SETTINGS = ("architecture", "data", "epochs", "seed", "weights", "objective", "study", "set",
            "help", "command", "parser")  # fmt: skip
"""Flags of `train` that are no hyperparameters; one of such a name is reached with --set."""

OVERRIDES = {
    "data": "data.source", "trials": "budget.trials", "epochs": "budget.epochs",
    "timeout": "budget.timeout", "workers": "workers", "seed": "seed", "weights": "weights",
    "objective": "objective", "engine": "engine.name",
    "executor": "executor", "address": "address",
}  # fmt: skip
"""Flags, and the entries of a sweep file that they mean."""


def whole(text: str) -> int:
    """Return a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a whole number, got '{text}'") from None


def number(text: str) -> float:
    """Return a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArgumentTypeError(f"must be a number, got '{text}'")
    return value


OF_KIND: dict[Kind, Callable[[str], Value]] = {"float": number, "int": whole, "name": str}
"""What reads the text of a hyperparameter's flag."""


def add(parser: Any, name: str, read: Any, metavar: str, text: str) -> None:
    """Add a flag that is None where it is left out."""
    parser.add_argument(name, type=read, metavar=metavar, help=text, default=None)


def data(flags: Any) -> None:
    add(flags, "--data", str, "PATH", "sample, minet, a folder a class, or a table")


def weights(flags: Any) -> None:
    add(flags, "--weights", str, "WEIGHTS", "of pretrained models: imagenet, a path, or none")


def objective(flags: Any) -> None:
    add(flags, "--objective", str, "NAME", "what trials are compared by, such as macro_f1")


def budget(flags: Any) -> None:
    add(flags, "--trials", whole, "N", "trials in all, those that ended included")
    add(flags, "--workers", whole, "N", "trials at a time")
    add(flags, "--timeout", number, "SECONDS", "start no trial after this time")
    add(
        flags,
        "--executor",
        str,
        "NAME",
        "where trials run: local (this machine) or ray (a cluster)",
    )
    add(flags, "--address", str, "HOST:PORT", "of a Ray cluster (default: Ray on this machine)")


def model(flags: Any) -> None:
    flags.add_argument("--model", metavar="URI", help="another model (default: the champion)")


def registered(flags: Any) -> None:
    flags.add_argument("--model", metavar="NAME", help="another registered model")
    flags.add_argument("--json", action="store_true", help="print one JSON object")


def pairs(flags: Any) -> None:
    flags.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="any other key of a sweep file, such as data.split=60/20/20; values are YAML",
    )  # fmt: skip


def of_hyperparameters(parser: Any, words: Sequence[str]) -> None:
    """Add a flag for each hyperparameter of an architecture, the user's own included."""
    if "train" not in words:
        return  # loading a network of the user's own may take seconds
    flags = parser.add_argument_group("hyperparameters (default: the architecture's own)")
    for one in hyperparameters(_architecture(words)):
        if one.name not in SETTINGS:
            name, text = one.name.replace("_", "-"), one.help.replace("%", "%%")
            help_text = f"{text} ({one.values()})" if text else one.values()
            add(flags, f"--{name}", OF_KIND[one.kind], one.kind.upper(), help_text)


def _architecture(words: Sequence[str]) -> str:
    """Return the value of --architecture before the command is parsed; "" without one."""
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--architecture":
            return value if equals else "".join(words[place + 1 : place + 2])
    return ""


def hyperparameters(reference: str) -> list[Hyperparameter]:
    """Return all hyperparameters, each name once; those of a network of the user's own first."""
    from mineralsweep.models import ARCHITECTURES, get

    own = [get(reference)] if is_reference(reference) else []
    declared: dict[str, Hyperparameter] = {}
    for architecture in (*own, *ARCHITECTURES.values()):
        for one in architecture.hyperparameters.values():
            declared.setdefault(one.name, one)
    return list(declared.values())
