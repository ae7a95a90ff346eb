"""A trial of an architecture whose voters are trained one after the other and answer together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
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

    Args:
        spec: of an architecture with voters; each takes those of its hyperparameters that are
            its own.
        report: called after each epoch of the first voter; its scores are that voter's alone.
        say: called before other work that takes a while.
        run: trains one voter.

    Returns:
        The first voter's result, but for the probabilities, the folder and the time, which are
        those of all.
    """
    voters = get_architecture(spec.architecture).voters
    # What an attempt that was killed left there would get what is moved there within itself.
    shutil.rmtree(spec.folder / ensemble.MEMBERS, ignore_errors=True)
    results: list[TrialResult] = []
    for place, name in enumerate(voters):
        results.append(run(_voter(spec, name, place), _silent if results else report, say))
    network.combine([result.folder for result in results], spec.examples.classes, spec.folder)
    (spec.folder / VOTERS).rmdir()
    answers = np.stack([result.probabilities for result in results])
    return replace(
        results[0],
        probabilities=answers.mean(axis=0, dtype=np.float64).astype(np.float32),
        folder=spec.folder,
        seconds=sum(result.seconds for result in results),
    )


def _voter(spec: TrialSpec, name: str, place: int) -> TrialSpec:
    known = get_architecture(name).defaults()
    own = {key: value for key, value in spec.hyperparameters.items() if key in known}
    folder = spec.folder / VOTERS / str(place)
    state = spec.checkpoint and spec.checkpoint / str(place)
    return replace(
        spec, architecture=name, hyperparameters=own, folder=folder, checkpoint=state, initial=None
    )


def _silent(report: EpochReport) -> str | None:
    return None
