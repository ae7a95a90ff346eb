"""Architectures that are trained on the same images and answer together: `probe+colour_texture`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from mineralsweep.core.hyperparameter import Hyperparameter, Value
from mineralsweep.core.reference import is_reference
from mineralsweep.errors import ArchitectureError
from mineralsweep.models.architecture import BACKBONE, Architecture

if TYPE_CHECKING:
    import keras

T = TypeVar("T")

SIGN = "+"
SECOND = "second_"
"""What the settings begin with that a member has for itself which stands there twice."""
BACKBONES_SEARCHED = (BACKBONE, SECOND + BACKBONE)
"""The settings that name a pretrained network."""


def is_vote(name: str) -> bool:
    """Say whether an architecture's name stands for a vote."""
    return SIGN in name and not is_reference(name)  # a file may have the sign in its name


def of(name: str, get: Callable[[str], Architecture]) -> Architecture:
    """Return the architecture of a vote: the mean of its members' probabilities.

    It has the hyperparameters of all members; one of the same name is the same for both, with the
    default of the first. A network's epochs are those of the first network among them. One that
    stands there twice has another backbone the second time: `second_backbone`, and what depends on
    it.

    Args:
        name: the members' names, joined by SIGN.
        get: finds a member.

    Raises:
        ArchitectureError: there is no such member, one without a backbone of its choice stands
            twice, or two mean different things by a hyperparameter.
    """
    names = tuple(part.strip() for part in name.split(SIGN))
    members = [get(one) for one in names]
    for part, one in zip(names, members, strict=True):
        if names.count(part) > 1 + one.searches_backbone:
            raise ArchitectureError(
                f"architecture: '{name}' names {part} {names.count(part)} times; name members that"
                " differ"
            )
    # The first network is what the trial's optimizer, rate and epochs are of.
    first = next((one for one in members if one.kind == "network"), members[0])
    return replace(
        first,
        name=SIGN.join(one.name for one in members),
        summary=f"a vote of {' and '.join(one.name for one in members)}",
        builder=_builder_of(first) if first.builder else None,
        own=(*_merged(members), *_of_second(members)),
        backbone=next((one.backbone for one in members if one.backbone), ""),
        smallest=max(one.smallest for one in members),
        voters=tuple(one.reference for one in members),
    )


def _of_second(members: Sequence[Architecture]) -> tuple[Hyperparameter, ...]:
    """Return what the second one of two members of a name has for itself: its backbone."""
    twice = {one.name: one for one in members if members.count(one) > 1}
    found = []
    for member in twice.values():
        for one in member.own:
            if BACKBONE in (one.name, one.depends_on):
                depends_on = SECOND + BACKBONE if one.depends_on else ""
                summary = f"{one.help}; of the second {member.name} of a vote"
                name = SECOND + one.name
                found.append(replace(one, name=name, depends_on=depends_on, help=summary))
    return tuple(found)


def params_of(place: int, voters: Sequence[str], params: Mapping[str, T]) -> dict[str, T]:
    """Return the settings of one voter.

    Args:
        place: of the voter.
        voters: the names of all.
        params: of the vote's trial, by name; those of other voters may stay among the answer.
    """
    own = {name: one for name, one in params.items() if not name.startswith(SECOND)}
    if voters[place] in voters[:place]:
        second = {name: one for name, one in params.items() if name.startswith(SECOND)}
        own |= {name.removeprefix(SECOND): one for name, one in second.items()}
    return own


def _builder_of(network: Architecture) -> Callable[..., keras.Model]:
    """Return what builds a vote's network alone, of all the vote's hyperparameters."""

    def build(
        input_shape: tuple[int, int, int], num_classes: int, **hyperparameters: Value
    ) -> keras.Model:
        known = network.defaults()
        own = {name: value for name, value in hyperparameters.items() if name in known}
        return network.build(input_shape, num_classes, **own)

    return build


def _merged(members: Sequence[Architecture]) -> tuple[Hyperparameter, ...]:
    merged: dict[str, Hyperparameter] = {}
    for member in members:
        for one in member.own:
            other = merged.setdefault(one.name, one)
            if (other.kind, other.values()) != (one.kind, one.values()):
                raise ArchitectureError(
                    f"architecture: {' and '.join(m.name for m in members)} mean different things"
                    f" by '{one.name}'; they can't vote together"
                )
    return tuple(merged.values())
