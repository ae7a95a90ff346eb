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

from mineralsweep.config.entries import Choices, Range
from mineralsweep.config.sections import Gate, Misplaced
from mineralsweep.config.shipped import instead_of, locate
from mineralsweep.config.sweep import Sweep
from mineralsweep.core.hyperparameter import number_hint
from mineralsweep.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Override:
    """A value that a flag lays over a sweep file.

    Attributes:
        place: dotted, as in "budget.trials".
        value: as YAML would give it; None: the flag was left out, and the file's value stays.
        flag: as it was typed, for errors.
        null: None is meant as a value.
    """

    place: str
    value: Any
    flag: str
    null: bool = False


_NEXT_PAIR = re.compile(r"\s+(?=[A-Za-z_][\w.]*\s*=)")
_BRACKETS = {"{": 1, "[": 1, "}": -1, "]": -1}


def pairs(texts: Sequence[str], flag: str = "--set") -> list[Override]:
    """Read `key=value` pairs, for any key of a sweep file; values are YAML.

    Args:
        texts: a pair each, or several with spaces between them.
        flag: that they were given with.

    Raises:
        ConfigError: a text is no pair, or its value is no YAML.
    """
    return [_pair(text, flag) for text in _split(" ".join(texts))]


def _split(text: str) -> list[str]:
    """Divide pairs at spaces that are within no quotes and no brackets."""
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and text[place - 1 : place] in tuple("=[{,: "):  # no apostrophe
            quote = letter
        else:
            depth += _BRACKETS.get(letter, 0)
        if not quote and not depth and _NEXT_PAIR.match(text, place):
            parts.append(text[start:place])
            start = place
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def _pair(text: str, flag: str) -> Override:
    place, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", place):
        raise ConfigError(f"{flag} {text}: must be key=value, such as budget.trials=40")
    try:
        read = yaml.load(value, Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            f"{flag} {text}: not valid YAML: {' '.join(str(error).split())}"
        ) from None
    return Override(place, read, f"{flag} {text}", null=True)


def load(path: str | Path, overrides: Sequence[Override] = ()) -> Sweep:
    """Read a sweep file and lay overrides over it.

    Args:
        path: a YAML file, or the name of a sweep that comes with the package, such as "quick".
        overrides: values from flags.

    Raises:
        ConfigError: there is no such file; or one line for each entry that breaks a rule.
    """
    return build(_read_yaml(locate(path)), str(path), overrides)


def build(raw: dict[str, Any], origin: str, overrides: Sequence[Override] = ()) -> Sweep:
    """Make a sweep of plain data; `origin` names where it came from in errors.

    Raises:
        ConfigError: one line for each entry that breaks a rule.
    """
    raw = copy.deepcopy(raw)
    given = [one for one in overrides if one.value is not None or one.null]
    for one in given:
        _lay_over(raw, one)
    try:
        return Sweep.model_validate(raw)
    except ValidationError as error:
        raise _told(error, origin, given) from None


class _WithGate(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    gate: Gate


def load_gate(path: str | Path) -> Gate:
    """Read the gate's rules alone: the section `gate:` of a sweep file, or of a file of its own.

    Args:
        path: as of `load`.

    Raises:
        ConfigError: there is no such file or section; or one line for each entry that breaks a
            rule.
    """
    try:
        return _WithGate.model_validate(_read_yaml(locate(path))).gate
    except ValidationError as error:
        raise _told(error, str(path), ()) from None


def _told(error: ValidationError, origin: str, overrides: Sequence[Override]) -> ConfigError:
    """Turn pydantic's error into ours, a line for each entry."""
    lines = set()
    for detail in error.errors():
        place, message = _explain(detail)
        lines.add(f"{_origin(place, origin, overrides)}: {message}")
    return ConfigError("\n".join(sorted(lines)))


def _origin(place: str, origin: str, overrides: Sequence[Override]) -> str:
    """Name where a value came from: the flag that gave it, or something in it, or the file."""
    for one in reversed(overrides):
        if place == one.place:
            return one.flag
        if place.startswith(f"{one.place}."):
            return f"{one.flag}: {place.removeprefix(one.place + '.')}"
        if one.place.startswith(f"{place}.") and place not in Sweep.model_fields:
            return f"{one.flag}: {place}"
    return f"{origin}: {place}"


def _lay_over(raw: dict[str, Any], one: Override) -> None:
    *parents, name = one.place.split(".")
    for depth, parent in enumerate(parents, start=1):
        raw = raw.setdefault(parent, {})
        if isinstance(raw, list) or (depth > 1 and not isinstance(raw, dict)):
            parent = ".".join(parents[:depth])
            raise ConfigError(f"{one.flag}: {parent} is {raw}, without such a part; set it whole")
        if not isinstance(raw, dict):
            return  # the model reports the broken section
    raw[name] = one.value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such sweep file{instead_of(path)}") from None
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


_FIELDS: dict[str, type[BaseModel]] = {"": Sweep} | {
    name: field.annotation
    for name, field in Sweep.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


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
