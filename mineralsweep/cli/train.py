"""mineralsweep train"""

from __future__ import annotations

from argparse import Namespace

from mineralsweep.app.checks import suited_to_machine
from mineralsweep.app.session import Request
from mineralsweep.app.train import train
from mineralsweep.cli.shell import next_commands, plain_console
from mineralsweep.cli.sweep import following
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
    return carry_out(Request("training", sweep, options.study))


def carry_out(request: Request) -> int:
    """Train, or go on with a training, before the reader's eyes."""
    console = plain_console()
    with following(console, suited_to_machine(request.sweep)) as progress:
        outcome = train(request, progress, progress.say)
    record, store = outcome.record, outcome.store
    kept = f", weights of epoch {record.best_epoch} kept" if record.best_epoch else ""
    console.print(
        f"{record.params['architecture']}: validation accuracy {record.interval()},"
        f" loss {record.loss:.3f}{kept}"
    )
    console.print(
        "The test split was not opened. To open it and put this model before the gate:"
        f" mineralsweep promote models:/{record.model_id}"
    )
    console.print(f"Run: {record.run_id} in experiment '{store.experiment}', {store.shown_uri}")
    console.print(next_commands(store.uri, serve=f"models:/{record.model_id}"))
    return 0


def _recipe(options: Namespace) -> list[Override]:
    return [
        Override(f"{section}.{name}", getattr(options, name), f"--{name.replace('_', '-')}")
        for section, names in (("space", SEARCHABLE), ("training", FIXED))
        for name in names
    ]
