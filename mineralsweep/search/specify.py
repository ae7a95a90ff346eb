"""What an engine proposes, with the conditions of its study -> what a trial is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from mineralsweep.config import Sweep, Training
from mineralsweep.core.hyperparameter import Value
from mineralsweep.core.recipe import SEARCHABLE
from mineralsweep.core.trial import Examples, TrialSpec
from mineralsweep.models import get as get_architecture
from mineralsweep.models.architecture import Architecture
from mineralsweep.models.vote import params_of


@dataclass(frozen=True)
class Conditions:
    """What the trials of a study have in common.

    Attributes:
        epochs: at most.
        patience: epochs without a lower validation loss before training ends; 0: never.
        seed: of the trainings.
        weights: for architectures that take pretrained weights.
        training: precision, views, and what of the recipe is fixed.
        deepest: the most parts of a trunk that a trial unfreezes, by `Trunk.depth`.
    """

    epochs: int
    patience: int = 0
    seed: int = 0
    weights: str = "none"
    training: Training = field(default_factory=Training)
    deepest: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, sweep: Sweep) -> Self:
        """Return the conditions of a sweep."""
        return cls(
            sweep.budget.epochs,
            sweep.budget.patience,
            sweep.seed,
            sweep.weights,
            sweep.training,
            sweep.deepest(),
        )


def specify(
    params: Mapping[str, Value | None],
    conditions: Conditions,
    examples: Examples,
    image_size: tuple[int, int],
    folder: Path,
    number: int = 0,
) -> TrialSpec:
    """Fill in what `params` leaves out with the architecture's own defaults.

    Args:
        params: `architecture`, and any of its hyperparameters.
        conditions: of the study.
        examples: the images that the trial may see.
        image_size: (height, width) in pixels.
        folder: where the trained network is written.
        number: of the trial.
    """
    architecture = get_architecture(str(params["architecture"]))
    own = {name: params.get(name, value) for name, value in architecture.defaults().items()}
    if architecture.pretrained:
        own["weights"] = conditions.weights
    optimizer, rate = _optimizer(params, architecture, own)
    deepest, trunk = 0, architecture.trunk
    if trunk is not None:
        most = conditions.deepest.get(trunk.depth, 0)
        deepest = max(trunk.unfrozen(own), most if most < trunk.parts(own) else 0)
    training = conditions.training
    changes = training.recipe_changes() | {name: params.get(name) for name in SEARCHABLE}
    flips = own.get("flips", params.get("flips"))
    if flips and not architecture.address:  # a probe's are those of a network beside it too
        changes["flips"] = flips
    return TrialSpec(
        number=number,
        architecture=architecture.reference,
        hyperparameters=own,
        optimizer=optimizer,
        learning_rate=rate,
        decay=architecture.decay if optimizer == architecture.optimizer else 0.0,
        batch_size=int(params.get("batch_size") or architecture.batch_size) if optimizer else 1,
        epochs=conditions.epochs if optimizer else 1,
        patience=conditions.patience,
        image_size=image_size,
        precision=training.precision,
        views=training.views,
        head_epochs=training.head_epochs,
        deepest=deepest,
        seed=conditions.seed,
        folder=folder,
        examples=examples,
        recipe=architecture.recipe.with_changes(changes),
        voters=tuple(
            specify(one, conditions, examples, image_size, folder, number)
            for one in _voters(architecture.voters, params, own)
        ),
    )


def _voters(
    voters: Sequence[str], params: Mapping[str, Value | None], own: Mapping[str, Value | None]
) -> Iterator[dict[str, Value | None]]:
    """Give what each voter is proposed: what is named for the vote, else its own defaults."""
    shared = {"flips": own["flips"]} if "flips" in own else {}
    for place, voter in enumerate(voters):
        yield {**shared, **params_of(place, voters, params), "architecture": voter}


def _optimizer(
    params: Mapping[str, Value | None],
    architecture: Architecture,
    own: Mapping[str, Value | None],
) -> tuple[str, float]:
    """Return a trial's optimizer and its rate; an estimator has none: "" and 0."""
    if architecture.kind == "estimator":
        return "", 0.0
    rate = params.get("learning_rate") or architecture.default_learning_rate(own)
    return str(params.get("optimizer", architecture.optimizer)), float(rate)
