"""A trial of an architecture whose voters are trained one after the other and answer together."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mineralsweep.core.trial import EpochReport, Report, Say, TrialResult, TrialSpec
from mineralsweep.models import get as get_architecture
from mineralsweep.serving import ensemble, network

Run = Callable[[TrialSpec, Report, Say], TrialResult]

VOTERS = "voters"
"""Where each is written before they are put together."""


def run_vote(spec: TrialSpec, report: Report, say: Say, run: Run) -> TrialResult:
    """Train `spec`'s voters and write what answers with the mean of their probabilities.

    One of them reports: the first network, or the first voter where none is one. It is trained
    first; where its report is a reason to stop, no other network is trained.

    Args:
        spec: of an architecture with voters; each takes those of its hyperparameters that are
            its own.
        report: called after each epoch of the voter that reports; the scores are its own.
        say: called before other work that takes a while.
        run: trains one voter.

    Returns:
        The result of the voter that reports, but for the probabilities, the folder and the time,
        which are those of all.
    """
    voters = get_architecture(spec.architecture).voters
    # What an attempt that was killed left there would get what is moved there within itself.
    shutil.rmtree(spec.folder / ensemble.MEMBERS, ignore_errors=True)
    networks = [name for name in voters if get_architecture(name).kind == "network"]
    reporting = networks[0] if networks else voters[0]
    results = {reporting: run(_voter(spec, reporting, voters), report, say)}
    for name in voters:
        is_over = results[reporting].pruned and name in networks
        if name != reporting and not is_over:
            results[name] = run(_voter(spec, name, voters), _quiet(name, say), say)
    trained = [results[name] for name in voters if name in results]
    network.combine([result.folder for result in trained], spec.examples.classes, spec.folder)
    (spec.folder / VOTERS).rmdir()
    answers = np.stack([result.probabilities for result in trained])
    return replace(
        results[reporting],
        probabilities=answers.mean(axis=0, dtype=np.float64).astype(np.float32),
        folder=spec.folder,
        seconds=sum(result.seconds for result in trained),
    )


def _voter(spec: TrialSpec, name: str, voters: Sequence[str]) -> TrialSpec:
    place = voters.index(name)
    known = get_architecture(name).defaults()
    own = {key: value for key, value in spec.hyperparameters.items() if key in known}
    folder = spec.folder / VOTERS / str(place)
    state = spec.checkpoint and spec.checkpoint / str(place)
    return replace(
        spec, architecture=name, hyperparameters=own, folder=folder, checkpoint=state, initial=None
    )


def _quiet(name: str, say: Say) -> Report:
    """Return what takes a voter's reports: its epochs are told, and nobody judges them."""

    def report(epoch: EpochReport) -> str | None:
        say(f"{name}, epoch {epoch.epoch}")
        return None

    return report
