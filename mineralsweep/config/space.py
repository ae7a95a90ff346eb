"""The search space: an entry a hyperparameter, held to what its architectures declare."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, RootModel, model_validator

from mineralsweep.config.entries import Choices, Entry, Range, Refused, SpaceEntry
from mineralsweep.config.sections import Misplaced
from mineralsweep.core.hyperparameter import Hyperparameter, Params, Value, number_hint
from mineralsweep.core.reference import is_reference, readable
from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models import ARCHITECTURES, get, is_known
from mineralsweep.models.architecture import Architecture
from mineralsweep.models.backbones import get as get_backbone
from mineralsweep.models.probe import stages_of
from mineralsweep.models.vote import BACKBONES_SEARCHED, SIGN, is_vote

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MOST_COMBINATIONS = 10_000

ARCHITECTURE = Hyperparameter("architecture", "name", "what is trained")
"""The entry that every space has; which others it may have follows from it."""
VOTE = "vote"


class Space(RootModel[dict[str, SpaceEntry]]):
    """The hyperparameters to search: name -> entry, the architecture first.

    A hyperparameter is asked for only when the chosen architecture has it: `unfrozen` for
    vgg16 alone. What is left out keeps the architecture's own default.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, raw: Any) -> Any:
        """Mark the entries that no architecture has, and a network that can't be loaded."""
        if not isinstance(raw, Mapping):
            return raw
        entries = {ARCHITECTURE.name: Refused("must be given"), **raw}
        entries[ARCHITECTURE.name] = _votes_named(entries[ARCHITECTURE.name])
        named = _choices(entries[ARCHITECTURE.name])
        references = [one for one in named if isinstance(one, str) and is_reference(one)]
        if references:
            entries[ARCHITECTURE.name] = [
                readable(one) if one in references else one for one in named
            ]
        votes = [one for one in named if isinstance(one, str) and is_vote(one) and is_known(one)]
        own = []
        for name in (*references, *votes):
            try:
                own.append(get(name))
            except ArchitectureError as error:
                entries[ARCHITECTURE.name] = Refused(str(error))
        known = [ARCHITECTURE.name]
        for architecture in (*ARCHITECTURES.values(), *own):
            known += [name for name in architecture.hyperparameters if name not in known]
        return {name: entries[name] for name in known if name in entries} | {
            name: Refused(f"unknown key{did_you_mean(str(name), known)}")
            for name in entries
            if name not in known
        }

    @model_validator(mode="after")
    def _within_the_rules(self) -> Self:
        if isinstance(self.root[ARCHITECTURE.name], Range):
            known = ", ".join(ARCHITECTURES)
            raise Misplaced(ARCHITECTURE.name, f"takes names, not a range; known: {known}")
        for name in self.architectures():
            if not is_known(name):
                hint = did_you_mean(name, ARCHITECTURES)
                raise Misplaced(ARCHITECTURE.name, f"unknown name '{name}'{hint}")
        for name, entry in self.root.items():
            if name != ARCHITECTURE.name:
                _check(name, entry, self.owners(name), self.architectures())
                self._check_stages(name, entry)
        return self

    def _check_stages(self, name: str, entry: Entry) -> None:
        """Hold the names of stages to each backbone that they may meet in a trial.

        Raises:
            Misplaced: a backbone has no such stage.
        """
        for owner in self.owners(name):
            trunk = owner.hyperparameters[name].depends_on
            for backbone in self._backbone_entries(owner).get(trunk, ()):
                for asked in entry.bounds():
                    try:
                        stages_of(get_backbone(backbone), str(asked))
                    except ArchitectureError as error:
                        raise Misplaced(name, str(error)) from None

    def entries(self) -> dict[str, Entry]:
        """Return the entries by name, the architecture first."""
        return dict(self.root)

    def searched(self) -> dict[str, Entry]:
        """Return the entries with more than one value."""
        return {name: one for name, one in self.root.items() if one.constant() is None}

    def architectures(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.root[ARCHITECTURE.name].bounds())

    def owners(self, name: str) -> list[Architecture]:
        """Return the listed architectures that have a hyperparameter; all have an architecture."""
        listed = [get(one) for one in self.architectures()]
        return [one for one in listed if name == ARCHITECTURE.name or one.has(name)]

    def hyperparameter(self, name: str) -> Hyperparameter:
        """Return an entry's declaration; its default is the first owner's."""
        if name == ARCHITECTURE.name:
            return ARCHITECTURE
        return self.owners(name)[0].hyperparameters[name]

    def without(self, architecture: str) -> Space:
        """Return the space without an architecture, and without what no other one has.

        Raises:
            ValueError: it is the only one.
        """
        left = tuple(one for one in self.architectures() if one != architecture)
        if not left:
            raise ValueError(f"the space has no other architecture than {architecture}")
        shared = {
            name: entry
            for name, entry in self.root.items()
            if any(get(one).has(name) for one in left)
        }
        return Space.model_validate({ARCHITECTURE.name: Choices(choices=left), **shared})

    def backbones(self, architecture: str) -> tuple[str, ...]:
        """Return the pretrained backbones that trials of a listed architecture may have."""
        own = get(architecture).backbone
        searched = itertools.chain(*self.searched_backbones(architecture))
        return tuple(dict.fromkeys((*([own] if own else []), *searched)))

    def searched_backbones(self, architecture: str) -> tuple[tuple[str, ...], ...]:
        """Return those that each of its hyperparameters for one may name; none without one."""
        return tuple(self._backbone_entries(get(architecture)).values())

    def _backbone_entries(self, listed: Architecture) -> dict[str, tuple[str, ...]]:
        found = {}
        for name in BACKBONES_SEARCHED:
            if listed.searches_backbone and listed.has(name):
                entry = self.root.get(name)
                values = entry.bounds() if entry else (listed.hyperparameters[name].default,)
                found[name] = tuple(map(str, values))
        return found

    def without_backbone(self, backbone: str) -> Space:
        """Return the space without one of the backbones that are searched.

        Raises:
            ValueError: it is the only one.
        """
        entries = dict(self.root)
        for name in BACKBONES_SEARCHED:
            if name in entries:
                left = tuple(one for one in entries[name].bounds() if one != backbone)
                if not left:
                    raise ValueError(f"the space has no other {name} than {backbone}")
                entries[name] = Choices(choices=left)
        return Space.model_validate(entries)

    def propose(self, choose: Callable[[str, Entry], Value]) -> Params:
        """Ask `choose` for each hyperparameter that this trial has, the architecture first.

        A constant is filled in without asking.
        """
        params: Params = {}
        for name, entry in self.root.items():
            if name != ARCHITECTURE.name and not get(str(params[ARCHITECTURE.name])).has(name):
                continue
            only = entry.constant()
            value = choose(name, entry) if only is None else only
            params[name] = self.hyperparameter(name).typed(value)
        return params

    def grid(self, first: Sequence[Params] = ()) -> list[Params]:
        """Return every distinct trial of a space of choices and ladders.

        Args:
            first: points; what agrees with one of them comes first, in their order.
        """

        def place(params: Params) -> int:
            agreeing = [i for i, point in enumerate(first) if point.items() <= params.items()]
            return agreeing[0] if agreeing else len(first)

        return sorted(self._grid(), key=place)

    def combinations(self) -> list[Params] | None:
        """Return every distinct trial of a finite space; None where there are too many to list."""
        ladders = [entry.ladder() for entry in self.root.values()]
        if not all(ladders) or math.prod(len(one or ()) for one in ladders) > MOST_COMBINATIONS:
            return None
        return self.grid()

    def _grid(self) -> Iterator[Params]:
        ladders = {name: entry.ladder() or () for name, entry in self.root.items()}
        seen = set()
        for values in itertools.product(*ladders.values()):
            point = dict(zip(ladders, values, strict=True))
            params = self.propose(lambda name, _, point=point: point[name])  # type: ignore[misc]
            if tuple(params.items()) not in seen:
                seen.add(tuple(params.items()))
                yield params

    def distribution(self, name: str) -> BaseDistribution:
        """Return an entry in Optuna's terms."""
        from optuna.distributions import CategoricalDistribution as Categorical
        from optuna.distributions import FloatDistribution, IntDistribution

        entry, declared = self.root[name], self.hyperparameter(name)
        if isinstance(entry, Choices):
            return Categorical(tuple(map(declared.typed, entry.choices)))
        if declared.kind == "int":
            step = int(entry.step or 1)
            return IntDistribution(int(entry.low), int(entry.high), log=entry.log, step=step)
        return FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)


def _votes_named(entry: Any) -> Any:
    """Write each `{vote: [a, b]}` of an entry as `a+b`."""
    if isinstance(entry, list | tuple):
        named = [_votes_named(one) for one in entry]
        return next((one for one in named if isinstance(one, Refused)), named)
    if isinstance(entry, str) and is_vote(entry):
        return SIGN.join(part.strip() for part in entry.split(SIGN))
    if isinstance(entry, Mapping) and list(entry) == [VOTE]:
        members = entry[VOTE]
        if isinstance(members, list | tuple) and len(members) > 1:
            own = [one for one in members if isinstance(one, str) and is_reference(one)]
            if own:
                return Refused(f"{VOTE} takes the architectures of this package, got {own[0]}")
            return SIGN.join(map(str, members))
        return Refused(f"{VOTE} takes a list of two architectures or more, got {members!r}")
    return entry


def _choices(entry: Any) -> list[Any]:
    """Return the values of an entry as it was written, whatever its form."""
    if isinstance(entry, Choices):
        return list(entry.choices)
    if isinstance(entry, Mapping):
        entry = entry.get("choices")
    return list(entry) if isinstance(entry, list | tuple) else [entry]


def _check(name: str, entry: Entry, owners: Sequence[Architecture], listed: Sequence[str]) -> None:
    """Hold an entry to what each of its architectures declares.

    Raises:
        Misplaced: no listed architecture has it, which would be ignored in silence; they mean
            different things by it; or a value breaks a rule.
    """
    if not owners:
        others = [one.name for one in ARCHITECTURES.values() if one.has(name)]
        raise Misplaced(
            name,
            f"none of {', '.join(listed)} has it; leave it out, or add {' or '.join(others)}",
        )
    kinds = {one.name: one.hyperparameters[name].kind for one in owners}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{kind} of {owner}" for owner, kind in kinds.items())
        raise Misplaced(name, f"is {told}; search them in two sweeps")
    alike = len({one.hyperparameters[name].values() for one in owners}) == 1
    for owner in owners:
        try:
            _check_values(owner.hyperparameters[name], entry)
        except ValueError as error:
            raise Misplaced(name, f"{error}" if alike else f"{error}: of {owner.name}") from None


def _check_values(declared: Hyperparameter, entry: Entry) -> None:
    names = declared.kind == "name"
    if names and isinstance(entry, Range):
        raise ValueError(f"takes names, not a range; known: {declared.values()}")
    for value in entry.bounds():
        declared.check(str(value) if names else value)
    step = entry.step if isinstance(entry, Range) else None
    if declared.kind == "int" and step and step != int(step):
        raise ValueError(f"step must be a whole number, got {step}")


def default_points(space: Space) -> list[Params]:
    """Return each architecture's own defaults, where all of them lie in the space."""
    points = []
    for name in space.architectures():
        declared = get(name).hyperparameters
        own = {key: declared[key].default for key in space.entries() if key in declared}
        point = {key: value for key, value in own.items() if value is not None}
        if len(point) == len(own) and all(
            space.entries()[key].holds(value) for key, value in point.items()
        ):
            points.append({ARCHITECTURE.name: name, **point})
    return points


def check_point(space: Space, point: Mapping[str, Value], place: str) -> None:
    """Hold a point of a sweep file to its space.

    A point may leave entries out: the sampler draws them. The architecture must be there, unless
    the space has one alone.

    Args:
        space: that the point is of.
        point: hyperparameter -> value.
        place: of the point in the file, such as "warm_start.0".

    Raises:
        Misplaced: an entry that the space or the point's architecture does not have, or a value
            outside of it.
    """
    entries, architectures = space.entries(), space.architectures()
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
        if name != ARCHITECTURE.name and not get(architecture).has(name):
            raise Misplaced(where, f"{architecture} does not have it; leave it out")
