"""A trial of an architecture whose voters are trained one after the other and answer together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mineralsweep.core.trial import EpochReport, Report, Say, TrialResult, TrialSpec
from mineralsweep.serving import ensemble, network

Run = Callable[[TrialSpec, Report, Say], TrialResult]

VOTERS = "voters"
"""Where each is written before they are put together."""


def run_vote(spec: TrialSpec, report: Report, say: Say, run: Run) -> TrialResult:
    """Train `spec`'s voters and write what answers with the mean of their probabilities.

    One of them reports: the first network, or the first voter where none is one. It is trained
    first; where its report is a reason to stop, no other network is trained.

    Args:
        spec: with voters.
        report: called after each epoch of the voter that reports; the scores are its own.
        say: called before other work that takes a while.
        run: trains one voter.

    Returns:
        The result of the voter that reports, but for the probabilities, the folder and the time,
        which are those of all.
    """
    # What an attempt that was killed left there would get what is moved there within itself.
    shutil.rmtree(spec.folder / ensemble.MEMBERS, ignore_errors=True)
    networks = [place for place, one in enumerate(spec.voters) if one.optimizer]
    reporting = networks[0] if networks else 0
    results = {reporting: run(_voter(spec, reporting), report, say)}
    for place, one in enumerate(spec.voters):
        is_over = results[reporting].pruned and place in networks
        if place != reporting and not is_over:
            results[place] = run(_voter(spec, place), _quiet(one.architecture_name, say), say)
    trained = [results[place] for place in sorted(results)]
    network.combine([result.folder for result in trained], spec.examples.classes, spec.folder)
    (spec.folder / VOTERS).rmdir()
    answers = np.stack([result.probabilities for result in trained])
    return replace(
        results[reporting],
        probabilities=answers.mean(axis=0, dtype=np.float64).astype(np.float32),
        folder=spec.folder,
        seconds=sum(result.seconds for result in trained),
    )


def _voter(spec: TrialSpec, place: int) -> TrialSpec:
    """Return what one voter is told: its settings, on the images and under the rules of all."""
    own = spec.voters[place]
    return replace(
        spec,
        architecture=own.architecture,
        hyperparameters=own.hyperparameters,
        optimizer=own.optimizer,
        learning_rate=own.learning_rate,
        decay=own.decay,
        batch_size=min(own.batch_size, spec.batch_size),  # halved where memory ran out
        epochs=min(own.epochs, spec.epochs),
        deepest=own.deepest,
        recipe=own.recipe,
        folder=spec.folder / VOTERS / str(place),
        checkpoint=spec.checkpoint and spec.checkpoint / str(place),
        initial=None,
        voters=(),
    )


def _quiet(name: str, say: Say) -> Report:
    """Return what takes a voter's reports: its epochs are told, and nobody judges them."""

    def report(epoch: EpochReport) -> str | None:
        say(f"{name}, epoch {epoch.epoch}")
        return None

    return report
