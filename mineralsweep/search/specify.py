"""What an engine proposes, with the sweep's settings -> what a trial is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mineralsweep.config import Training
from mineralsweep.core.hyperparameter import Value
from mineralsweep.core.recipe import SEARCHABLE
from mineralsweep.core.trial import Examples, TrialSpec
from mineralsweep.models import get as get_architecture


def specify(
    params: Mapping[str, Value | None],
    *,
    number: int,
    epochs: int,
    patience: int,
    image_size: tuple[int, int],
    seed: int,
    weights: str,
    training: Training,
    deepest: int,
    folder: Path,
    examples: Examples,
) -> TrialSpec:
    """Fill in what `params` leaves out with the architecture's own defaults.

    Args:
        params: `architecture` and any of learning_rate, optimizer, batch_size, and the
            architecture's hyperparameters.
        weights: for architectures that take pretrained weights.
        deepest: see `TrialSpec`; this trial's own `unfrozen` counts too.
    """
    architecture = get_architecture(str(params["architecture"]))
    own = {name: params.get(name, value) for name, value in architecture.defaults().items()}
    if architecture.pretrained:
        own["weights"] = weights
    is_network = architecture.kind == "network"
    optimizer = str(params.get("optimizer", architecture.optimizer)) if is_network else ""
    default_rate = architecture.default_learning_rate(int(own.get("unfrozen") or 0))
    return TrialSpec(
        number=number,
        architecture=architecture.reference,
        hyperparameters=own,
        optimizer=optimizer,
        learning_rate=float(params.get("learning_rate") or default_rate) if is_network else 0.0,
        decay=architecture.decay if optimizer == architecture.optimizer else 0.0,
        batch_size=int(params.get("batch_size") or architecture.batch_size),
        epochs=epochs if is_network else 1,
        patience=patience,
        image_size=image_size,
        precision=training.precision,
        views=training.views,
        head_epochs=training.head_epochs,
        deepest=max(deepest, int(own.get("unfrozen") or 0)),
        seed=seed,
        folder=folder,
        examples=examples,
        recipe=architecture.recipe.with_changes(
            training.recipe_changes() | {name: params.get(name) for name in SEARCHABLE}
        ),
    )
