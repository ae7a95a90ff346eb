"""mineralsweep reproduce"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import Any

from mineralsweep.app.checks import suited_to_machine
from mineralsweep.app.progress import following
from mineralsweep.app.reproduce import Protocol, reproduce, request
from mineralsweep.app.session import Request
from mineralsweep.cli.shell import plain_console, run_line
from mineralsweep.cli.study import overrides
from mineralsweep.config import build, pairs
from mineralsweep.errors import ConfigError, did_you_mean

PRESETS = {
    "full": Protocol(),
    "quick": Protocol(seeds=1, folds=5, epochs=50, fold_epochs=20),
}
OPEN = ("data", "training", "workers", "weights", "faults")
"""Keys of a sweep file that a reproduction takes; the original decides the others."""

MOST = {"seeds": 100, "folds": 20, "epochs": 10_000, "fold_epochs": 10_000}


def reproduce_original(options: Namespace) -> int:
    """Train the original's variants again, and print its table beside ours."""
    protocol = _protocol(options)
    for one in pairs(options.set):
        if one.place.partition(".")[0] not in OPEN:
            known = ", ".join(OPEN)
            raise ConfigError(f"{one.flag}: is no setting of reproduce; those of {known} are")
    # The sweep's own checks serve for what both have.
    common = build(
        {"question": "What does the original give again?", "space": {"architecture": "model2"}},
        "reproduce",
        overrides(options, ("data", "workers", "weights")),
    )
    study = options.study or f"reproduce-{options.preset or 'full'}"
    return carry_out(request(protocol, common, study))


def carry_out(repetition: Request) -> int:
    """Train what is asked for, or go on with it, before the reader's eyes."""
    console = plain_console()
    with following(console, suited_to_machine(repetition.sweep)) as progress:
        outcome = reproduce(repetition, progress, progress.say)
    console.print(outcome.markdown)
    store = outcome.store
    console.print(f"{run_line(outcome.run_id, store)}: study.csv, study.md")
    return 1 if outcome.failed else 0


def _protocol(options: Namespace) -> Protocol:
    name = options.preset or "full"
    if name not in PRESETS:
        raise ConfigError(f"--preset: unknown preset '{name}'{did_you_mean(name, PRESETS)}")
    given: dict[str, Any] = {
        key: getattr(options, key) for key in MOST if getattr(options, key) is not None
    }
    for key, value in given.items():
        low = 1 if "epochs" in key else 0
        if not low <= value <= MOST[key] or (key == "folds" and value == 1):
            flag = key.replace("_", "-")
            rule = "0, or from 2 to 20" if key == "folds" else f"from {low} to {MOST[key]}"
            raise ConfigError(f"--{flag}: must be {rule}, got {value}")
    if options.variants:
        given["variants"] = tuple(options.variants.split(","))
    protocol = replace(PRESETS[name], **given)
    if not protocol.seeds and not protocol.folds:
        raise ConfigError("--seeds: 0 seeds and 0 folds leave nothing to train; give one of them")
    return protocol
