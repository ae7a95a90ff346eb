"""mineralsweep sweep FILE"""

from __future__ import annotations

import contextlib
import shlex
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from mineralsweep.app.checks import suited_to_machine
from mineralsweep.app.session import Request
from mineralsweep.app.sweep import SweepOutcome, run_sweep
from mineralsweep.cli.progress import Progress
from mineralsweep.cli.shell import next_commands, plain_console
from mineralsweep.config import Override, Sweep, load, pairs
from mineralsweep.core import objective as objectives

if TYPE_CHECKING:
    pass


def run(options: Namespace) -> int:
    """Run a sweep and say where everything went."""
    config = Path(options.file)
    sweep = load(config, _overrides(options))
    return carry_out(
        Request("sweep", sweep, options.study, config, options.storage, options.warm_start)
    )


def carry_out(request: Request) -> int:
    """Run a sweep, or go on with one, before the reader's eyes."""
    sweep = suited_to_machine(request.sweep)
    console = plain_console()
    console.print(f"Question: {' '.join(sweep.question.split())}")
    with following(console, sweep) as progress:
        outcome = run_sweep(request, progress, progress.say)
    _show(console, outcome)
    return 0


@contextlib.contextmanager
def following(console: Console, sweep: Sweep) -> Iterator[Progress]:
    """Show a study's progress; where it breaks off, say how to go on."""
    with Progress(console, sweep) as progress:
        try:
            yield progress
        except BaseException:
            progress.close()
            if progress.study:
                print(
                    "Not done. Finished trials are kept. Go on:"
                    f" mineralsweep resume {progress.study}",
                    file=sys.stderr,
                )
            raise


def _overrides(options: Namespace) -> list[Override]:
    return [
        Override("data.source", options.data, "--data"),
        Override("budget.trials", options.trials, "--trials"),
        Override("budget.epochs", options.epochs, "--epochs"),
        Override("budget.timeout", options.timeout, "--timeout"),
        Override("workers", options.workers, "--workers"),
        Override("seed", options.seed, "--seed"),
        Override("weights", options.weights, "--weights"),
        Override("objective", options.objective, "--objective"),
        Override("engine.name", options.engine, "--engine"),
        *pairs(options.set),
    ]


def _show(console: Console, outcome: SweepOutcome) -> None:
    # Not above: it loads pandas, and a mistake in a flag should be told at once.
    from mineralsweep.cli import leaderboard

    console.print(leaderboard.render(outcome))
    _show_champion(console, outcome)
    for line in outcome.beside:
        console.print(line)
    console.print(f"Took {outcome.minutes:.1f} minutes.")
    store = outcome.store
    console.print(f"Run: {outcome.run_id} in experiment '{store.experiment}', {store.shown_uri}")
    console.print(
        f"Report: report.html on that run's page; as a file: mineralsweep report {outcome.study}"
    )
    decision = outcome.crowned.decision
    stands = "@champion" if decision.takes or decision.against else f"/{decision.version}"
    console.print(next_commands(store.uri, serve=f"models:/{outcome.sweep.gate.model}{stands}"))


def _show_champion(console: Console, outcome: SweepOutcome) -> None:
    from mineralsweep.registry.decision import times

    crowned, model = outcome.crowned, outcome.sweep.gate.model
    best, decision, scores = crowned.record, crowned.decision, crowned.scores
    who = "Champion" if decision.takes else "Best trial"
    alias = ", @champion" if decision.takes else ", @challenger"
    console.print(
        f"{who}: {best.title()}, {best.params['architecture']}"
        f" -> {model} version {crowned.version}{alias}"
    )
    objective = objectives.get(outcome.sweep.objective)
    of_test = objective.interval(scores.confusion, scores.loss)
    if of_test is not None and objective.name != "accuracy":
        console.print(f"  test {objective.name.replace('_', ' ')} {of_test}")
    console.print(f"  test accuracy {scores.accuracy}; macro-F1 {scores.macro_f1:.3f}")
    for name, recall in scores.recall.items():
        console.print(f"  recall of {name}: {recall}")
    stale = ": each look makes the score less fresh" if crowned.openings > 1 else ""
    console.print(
        f"  (95 % Wilson intervals; the test split was opened {times(crowned.openings)}{stale})"
    )
    for warning in outcome.warnings:
        console.print(f"  Careful: {warning}")
    console.print(f"Gate: {decision.sentence()}. {decision.why}")
    if not decision.takes:
        stands = f"version {decision.against}" if decision.against else "nobody"
        console.print(
            f"  Champion stays {stands}. Past the gate: mineralsweep promote {crowned.version}"
            f"{_model_flag(model)} --force --reason TEXT"
        )


def _model_flag(model: str) -> str:
    from mineralsweep.registry import NAME

    return "" if model == NAME else f" --model {shlex.quote(model)}"
