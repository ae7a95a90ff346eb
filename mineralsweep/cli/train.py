"""mineralsweep train"""

from __future__ import annotations

from argparse import Namespace

from mineralsweep.app.checks import suited_to_machine
from mineralsweep.app.session import Request
from mineralsweep.app.train import train
from mineralsweep.cli.flags import SETTINGS, hyperparameters
from mineralsweep.cli.shell import next_commands, plain_console
from mineralsweep.cli.sweep import following
from mineralsweep.config import Override, Sweep, build, pairs
from mineralsweep.errors import ConfigError, did_you_mean
from mineralsweep.models import get as get_architecture
from mineralsweep.models.architecture import Architecture


def run(options: Namespace) -> int:
    """Train one model and say where it went."""
    sweep = sweep_of(options)
    return carry_out(Request("training", sweep, options.study))


def carry_out(request: Request) -> int:
    """Train, or go on with a training, before the reader's eyes."""
    console = plain_console()
    with following(console, suited_to_machine(request.sweep)) as progress:
        outcome = train(request, progress, progress.say)
    record, store = outcome.record, outcome.store
    architecture = get_architecture(str(record.params["architecture"]))
    network = architecture.kind == "network"
    kept = f", weights of epoch {record.best_epoch} kept" if network else ""
    scores = ", ".join(
        f"{name.replace('_', ' ')} {text}"
        for name, text in record.scores(request.sweep.objective).items()
    )
    console.print(f"{architecture.name}, on the validation images: {scores}{kept}")
    console.print(
        "The test split was not opened. To open it and put this model before the gate:"
        f" mineralsweep promote models:/{record.model_id}"
    )
    console.print(f"Run: {record.run_id} in experiment '{store.experiment}', {store.shown_uri}")
    console.print(next_commands(store.uri, serve=f"models:/{record.model_id}"))
    return 0


def sweep_of(options: Namespace) -> Sweep:
    """Return the flags as a sweep of one point.

    Raises:
        ConfigError: the architecture has no such hyperparameter, or a value breaks a rule.
    """
    architecture = get_architecture(options.architecture)
    sweep = build(
        {
            "question": f"How good is {architecture.name}?",
            "data": {"split": architecture.split},
            "space": {"architecture": architecture.name},
            "budget": {"trials": 1, "epochs": architecture.epochs},
        },
        "train",
        [
            *_of_the_space(options, architecture),
            Override("data.source", options.data, "--data"),
            Override("budget.epochs", options.epochs, "--epochs"),
            Override("seed", options.seed, "--seed"),
            Override("weights", options.weights, "--weights"),
            Override("objective", options.objective, "--objective"),
            *pairs(options.set),
        ],
    )
    for name, entry in sweep.space.searched().items():
        raise ConfigError(
            f"--set space.{name}: must be one value to train with, got {entry.describe()};"
            " to search it, write a sweep file"
        )
    return sweep


def _of_the_space(options: Namespace, architecture: Architecture) -> list[Override]:
    overrides = []
    for one in hyperparameters(options.architecture):
        value, flag = getattr(options, one.name, None), f"--{one.name.replace('_', '-')}"
        if value is None or one.name in SETTINGS:
            continue
        if not architecture.has(one.name):
            known = architecture.hyperparameters
            hint = did_you_mean(one.name, known) if known else ""
            raise ConfigError(
                f"{flag}: {architecture.name} has no hyperparameter '{one.name}'{hint}"
            )
        overrides.append(Override(f"space.{one.name}", value, flag))
    return overrides
