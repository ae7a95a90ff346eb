"""mineralsweep train"""

from __future__ import annotations

from argparse import Namespace

from mineralsweep.app import train_one
from mineralsweep.cli.progress import Progress
from mineralsweep.cli.shell import next_commands, plain_console
from mineralsweep.config import Override, build
from mineralsweep.core.recipe import FIXED, SEARCHABLE
from mineralsweep.models import get as get_architecture


def run(options: Namespace) -> int:
    """Train one model and say where it went."""
    architecture = get_architecture(options.architecture)
    defaults = {
        "question": f"How good is {architecture.name}?",
        "data": {"split": architecture.split},
        "space": {"architecture": architecture.name},
        "budget": {"trials": 1, "epochs": architecture.epochs},
    }
    names = ("dropout", "augmentation", "unfrozen", "width", "depth",
             "estimator", "trees", "penalty", "features")  # fmt: skip
    own = {name: getattr(options, name) for name in names}
    architecture.check_hyperparameters([name for name, value in own.items() if value is not None])
    sweep = build(
        defaults,
        "train",
        [
            *(Override(f"space.{name}", value, f"--{name}") for name, value in own.items()),
            Override("data.source", options.data, "--data"),
            Override("data.split", options.split, "--split"),
            Override("space.learning_rate", options.learning_rate, "--learning-rate"),
            Override("space.optimizer", options.optimizer, "--optimizer"),
            Override("space.batch_size", options.batch_size, "--batch-size"),
            Override("budget.epochs", options.epochs, "--epochs"),
            Override("budget.patience", options.patience, "--patience"),
            Override("image_size", options.image_size, "--image-size"),
            Override("folds", options.folds, "--folds"),
            Override("repeats", options.repeats, "--repeats"),
            Override("seed", options.seed, "--seed"),
            Override("weights", options.weights, "--weights"),
            Override("training.precision", options.precision, "--precision"),
            Override("training.views", options.views, "--views"),
            Override("training.head_epochs", options.head_epochs, "--head-epochs"),
            *_recipe(options),
        ],
    )
    console = plain_console()
    with Progress(console, sweep) as progress:
        outcome = train_one(sweep, progress, progress.say)
    if outcome.reason:
        console.print(f"Ended early: {outcome.reason}")
    accuracy = outcome.over_folds or outcome.scores.accuracy
    kept = f", weights of epoch {outcome.best_epoch} kept" if architecture.kind == "network" else ""
    console.print(
        f"{architecture.name}: validation accuracy {accuracy}, loss {outcome.scores.loss:.3f}{kept}"
    )
    console.print(
        "The test split was not opened. To open it and put this model before the gate:"
        f" mineralsweep promote models:/{outcome.model_id}"
    )
    store = outcome.store
    console.print(f"Run: {outcome.run_id} in experiment '{store.experiment}', {store.shown_uri}")
    console.print(next_commands(store.uri, serve=f"models:/{outcome.model_id}"))
    return 0


def _recipe(options: Namespace) -> list[Override]:
    return [
        Override(f"{section}.{name}", getattr(options, name), f"--{name.replace('_', '-')}")
        for section, names in (("space", SEARCHABLE), ("training", FIXED))
        for name in names
    ]
