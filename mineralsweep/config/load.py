"""A YAML file and flags -> a `Sweep`; every error with its place, rule, value and remedy."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mineralsweep.config.engine import Engine
from mineralsweep.config.entries import Choices, Range
from mineralsweep.config.gate import Gate
from mineralsweep.config.rules import Misplaced
from mineralsweep.config.space import Space
from mineralsweep.config.stop import Stop
from mineralsweep.config.sweep import Budget, Data, Faults, Sweep, Training
from mineralsweep.core.hyperparameter import number_hint
from mineralsweep.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Override:
    """A value that a flag lays over a sweep file. `place` is dotted, as in "budget.trials"."""

    place: str
    value: Any
    flag: str


def load(path: Path, overrides: Sequence[Override] = ()) -> Sweep:
    """Read a sweep file and lay overrides over it.

    Args:
        path: a YAML file; see sweeps/.
        overrides: values from flags; those that are None are passed over.

    Raises:
        ConfigError: one line for each entry that breaks a rule.
    """
    return build(_read_yaml(path), str(path), overrides)


def build(raw: dict[str, Any], origin: str, overrides: Sequence[Override] = ()) -> Sweep:
    """Make a sweep of plain data; `origin` names where it came from in errors.

    Raises:
        ConfigError: one line for each entry that breaks a rule.
    """
    raw = copy.deepcopy(raw)
    given = [one for one in overrides if one.value is not None]
    for one in given:
        _lay_over(raw, one.place, one.value)
    flags = {one.place: one.flag for one in given}
    try:
        return Sweep.model_validate(raw)
    except ValidationError as error:
        raise _told(error, origin, flags) from None


class _WithGate(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    gate: Gate


def load_gate(path: Path) -> Gate:
    """Read the gate's rules alone: the section `gate:` of a sweep file, or of a file of its own.

    Raises:
        ConfigError: there is no such section, or one line for each entry that breaks a rule.
    """
    try:
        return _WithGate.model_validate(_read_yaml(path)).gate
    except ValidationError as error:
        raise _told(error, str(path), {}) from None


def _told(error: ValidationError, origin: str, flags: dict[str, str]) -> ConfigError:
    """Turn pydantic's error into ours, a line for each entry."""
    lines = set()
    for detail in error.errors():
        place, message = _explain(detail)
        lines.add(f"{flags.get(place, f'{origin}: {place}')}: {message}")
    return ConfigError("\n".join(sorted(lines)))


def _lay_over(raw: dict[str, Any], place: str, value: Any) -> None:
    *parents, name = place.split(".")
    for parent in parents:
        raw = raw.setdefault(parent, {})
        if not isinstance(raw, dict):
            return  # the model reports the broken parent
    raw[name] = value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        folder = path.parent if path.parent.is_dir() else Path("sweeps")
        known = [str(file) for file in folder.glob("*.yaml")]
        hint = did_you_mean(str(path), known) if known else ""
        raise ConfigError(f"{path}: no such sweep file{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    try:
        raw = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; a sweep file has three levels") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: must hold entries such as 'question: ...', got {raw!r:.40}")
    return raw


class _UniqueKeys(yaml.SafeLoader):
    """YAML as PyYAML reads it, but a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"'{key}' stands twice; keep one", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_FIELDS: dict[str, type[BaseModel]] = {
    "": Sweep, "data": Data, "space": Space, "budget": Budget, "engine": Engine,
    "training": Training, "faults": Faults, "gate": Gate, "stop": Stop,
}  # fmt: skip


def _explain(detail: Any) -> tuple[str, str]:
    """Turn one of pydantic's errors into its place, and its rule, value and remedy."""
    names = [str(part) for part in detail["loc"] if str(part) not in ("Range", "Choices")]
    names = [name for name in names if name not in ("float", "int", "str")]
    value, kind = detail.get("input"), detail["type"]
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Misplaced):
        names.append(cause.name)
    place = ".".join(names) or "the file"
    if kind == "extra_forbidden":
        owner = _FIELDS.get(".".join(names[:-1]))
        fields = owner.model_fields if owner else {**Range.model_fields, **Choices.model_fields}
        return place, f"unknown key{did_you_mean(names[-1], fields)}"
    if kind == "missing":
        return place, "must be given"
    if cause is not None:
        return place, str(cause)
    if kind == "literal_error":
        known = detail["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return place, f"unknown value {value!r}{did_you_mean(str(value), known)}"
    hint = number_hint(value) if isinstance(value, str) and "type" in kind else ""
    rule = re.sub(r"^\w+ should ", "", detail["msg"])
    rule = re.sub(r"dictionary( or instance of \w+)?", "mapping", rule)
    rule = rule.replace("a valid tuple", "a list").replace(" after validation", "")
    return place, f"must {rule}, got {value!r}{hint}"
