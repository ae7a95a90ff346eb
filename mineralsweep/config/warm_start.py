"""Points of the space that are tried first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mineralsweep.config.rules import Misplaced
from mineralsweep.config.space import ARCHITECTURE, Space
from mineralsweep.core.hyperparameter import Params, Value, number_hint
from mineralsweep.errors import did_you_mean
from mineralsweep.models import get as get_architecture


def default_points(space: Space) -> list[Params]:
    """Return each architecture's own defaults, where all of them lie in the space."""
    points = []
    for name in space.architectures():
        declared = get_architecture(name).hyperparameters
        point: dict[str, Value | None] = {ARCHITECTURE.name: name}
        point |= {key: declared[key].default for key in space.entries() if key in declared}
        given = {key: value for key, value in point.items() if value is not None}
        if len(given) == len(point) and all(
            space.entries()[key].holds(value) for key, value in given.items()
        ):
            points.append(given)
    return points


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
    architecture = str(point.get(ARCHITECTURE.name, architectures[0]))
    if ARCHITECTURE.name not in point and len(architectures) > 1:
        raise Misplaced(place, f"must name its architecture: {', '.join(architectures)}")
    for name, value in point.items():
        where = f"{place}.{name}"
        if name not in entries:
            raise Misplaced(where, f"is not in the space{did_you_mean(name, entries)}")
        if not entries[name].holds(value):
            hint = number_hint(value) if isinstance(value, str) else ""
            raise Misplaced(where, f"lies outside of space.{name}, got {value!r}{hint}")
    for name in point:
        if name != ARCHITECTURE.name and not get_architecture(architecture).has(name):
            raise Misplaced(f"{place}.{name}", f"{architecture} does not have it; leave it out")
