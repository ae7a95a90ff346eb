"""mineralsweep reproduce"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from mineralsweep import machine
from mineralsweep.app.cells import PRESETS, Protocol
from mineralsweep.app.checks import open_sweep_data
from mineralsweep.app.reproduce import Reproduction, reproduce
from mineralsweep.cli.shell import plain_console
from mineralsweep.config import Override, build, pairs
from mineralsweep.errors import ConfigError, did_you_mean
from mineralsweep.models.original import VARIANTS
from mineralsweep.urls import without_password

OPEN = ("data", "training", "workers", "weights")
"""Keys of a sweep file that a reproduction takes; the original decides the others."""

MOST = {"seeds": 100, "folds": 20, "epochs": 10_000, "fold_epochs": 10_000}


def run(options: Namespace) -> int:
    """Train the study's variants again, and print its table beside ours."""
    protocol = _protocol(options)
    # The sweep's own checks serve for what both have.
    common = build(
        {"question": "What does the study give again?", "space": {"architecture": "model2"}},
        "reproduce",
        [
            Override("data.source", options.data, "--data"),
            Override("workers", options.workers, "--workers"),
            Override("weights", options.weights, "--weights"),
            *_pairs(options.set),
        ],
    )
    console = plain_console()
    dataset = open_sweep_data(common, console.print)
    outcome = reproduce(
        Reproduction(
            variants=tuple(options.variants.split(",")) if options.variants else tuple(VARIANTS),
            protocol=protocol,
            study=options.study or f"reproduce-{options.preset or 'full'}",
            workers=common.workers or machine.workers(),
            training=common.training,
            weights=common.weights,
        ),
        dataset,
        console.print,
    )
    console.print(outcome.markdown)
    console.print(
        f"Run: {outcome.run_id} in experiment '{outcome.experiment}',"
        f" {without_password(outcome.store_uri)}: study.csv, study.md"
    )
    return 1 if outcome.failed else 0


def _pairs(texts: list[str]) -> list[Override]:
    """Read the pairs of --set; what the original decides, or a search has, is refused."""
    overrides = pairs(texts)
    for one in overrides:
        if one.place.partition(".")[0] not in OPEN:
            known = ", ".join(OPEN)
            raise ConfigError(f"{one.flag}: is no setting of reproduce; those of {known} are")
    return overrides


def _protocol(options: Namespace) -> Protocol:
    name = options.preset or "full"
    if name not in PRESETS:
        raise ConfigError(f"--preset: unknown preset '{name}'{did_you_mean(name, PRESETS)}")
    given = {key: getattr(options, key) for key in MOST if getattr(options, key) is not None}
    for key, value in given.items():
        low = 1 if "epochs" in key else 0
        if not low <= value <= MOST[key] or (key == "folds" and value == 1):
            flag = key.replace("_", "-")
            rule = "0, or from 2 to 20" if key == "folds" else f"from {low} to {MOST[key]}"
            raise ConfigError(f"--{flag}: must be {rule}, got {value}")
    protocol = replace(PRESETS[name], **given)
    if not protocol.seeds and not protocol.folds:
        raise ConfigError("--seeds: 0 seeds and 0 folds leave nothing to train; give one of them")
    return protocol
