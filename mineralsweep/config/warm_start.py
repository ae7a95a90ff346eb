"""Points of the space that are tried first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mineralsweep.config.entries import Choices, Entry
from mineralsweep.config.rules import Misplaced
from mineralsweep.config.space import Space
from mineralsweep.core.hyperparameter import number_hint
from mineralsweep.core.recipe import SEARCHABLE
from mineralsweep.errors import did_you_mean
from mineralsweep.models import get as get_architecture
from mineralsweep.models.architecture import Architecture, Hyperparameter

Value = float | int | str
Point = dict[str, Value]

TOLERANCE = 1e-9


def study_points(space: Space) -> list[Point]:
    """Return each architecture's own settings, where all of them lie in the space."""
    found = []
    for name in space.architectures():
        settings = _settings(get_architecture(name))
        asked = {key: settings[key] for key in space.entries() if key in settings}
        point = {key: value for key, value in asked.items() if value is not None}
        if len(point) == len(asked) and all(
            holds(space.entries()[key], value) for key, value in point.items()
        ):
            found.append(point)
    return found


def holds(entry: Entry, value: Value) -> bool:
    """Say whether a value is one of an entry's."""
    if isinstance(entry, Choices):
        return value in entry.choices
    if isinstance(value, str) or not entry.low <= value <= entry.high:
        return False
    ladder = entry.ladder()
    return ladder is None or any(abs(value - rung) <= TOLERANCE for rung in ladder)


def check_points(space: Space, points: Sequence[Mapping[str, Value]]) -> None:
    """Hold the points of a sweep file to its space.

    A point may leave entries out: the sampler draws them. The architecture must be there, unless
    the space has one alone.

    Raises:
        Misplaced: an entry that the space or the point's architecture does not have, or a value
            outside of it.
    """
    for index, point in enumerate(points):
        _check_point(space, point, f"warm_start.{index}")


def _check_point(space: Space, point: Mapping[str, Value], place: str) -> None:
    entries = space.entries()
    architectures = space.architectures()
    architecture = str(point.get("architecture", architectures[0]))
    if "architecture" not in point and len(architectures) > 1:
        raise Misplaced(place, f"must name its architecture: {', '.join(architectures)}")
    for name, value in point.items():
        where = f"{place}.{name}"
        if name not in entries:
            raise Misplaced(where, f"is not in the space{did_you_mean(name, entries)}")
        if not holds(entries[name], value):
            hint = number_hint(value) if isinstance(value, str) else ""
            raise Misplaced(where, f"lies outside of space.{name}, got {value!r}{hint}")
    for name in point:
        if name != "architecture" and not get_architecture(architecture).has(name):
            raise Misplaced(f"{place}.{name}", f"{architecture} does not have it; leave it out")


def _settings(architecture: Architecture) -> dict[str, Hyperparameter]:
    """Return all settings that an architecture has by itself; None: it leaves one open."""
    own = {"architecture": architecture.name, **architecture.hyperparameters}
    if architecture.kind == "network":
        rate = architecture.default_learning_rate(int(own.get("unfrozen") or 0))
        own |= {"learning_rate": rate, "optimizer": architecture.optimizer}
        own |= {"batch_size": architecture.batch_size}
        own |= {name: getattr(architecture.recipe, name) for name in SEARCHABLE}
    return own
