"""The chosen trial's training once more, on all images but those of the test split."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mineralsweep import files
from mineralsweep.core.record import TrialRecord, epoch_named
from mineralsweep.core.trial import EpochReport, TrialSpec
from mineralsweep.engines.engine import Proposal
from mineralsweep.errors import RunError
from mineralsweep.executors import Doing, Epoch, Executor, Failed, Finished
from mineralsweep.search.listener import Listener
from mineralsweep.search.task import Task

POLL_SECONDS = 1.0
DONE, NETWORK, CHECKPOINT = "refit.json", "network", "checkpoint"
PASSING = ("crash", "memory")
"""Faults after which it is tried again."""


@dataclass(frozen=True)
class Refit:
    """What a training on all images left.

    Attributes:
        words: what was done, or why not, as people read it.
        network: the folder of the trained network; None: there is none.
        history: its epochs, in which the validation images are trained on too; empty where
            an earlier session trained it.
    """

    words: str
    network: Path | None = None
    history: tuple[EpochReport, ...] = ()


def refit(
    task: Task, record: TrialRecord, executor: Executor, folder: Path, listener: Listener
) -> Refit:
    """Train a complete trial's settings on the images that it was trained and validated on.

    A network is trained to the epoch whose weights the trial kept: no image is left to choose one
    by. What was killed goes on from its checkpoint; what has ended is not trained again.

    Args:
        task: of the study.
        record: of the trial.
        executor: without a trial that runs.
        folder: the refit's own.
        listener: is told how far it is.

    Raises:
        RunError: the disk is full.
    """
    try:
        words = json.loads((folder / DONE).read_text(encoding="utf-8"))["words"]
        return Refit(words, folder / NETWORK)
    except (OSError, ValueError, KeyError):
        pass
    spec = _spec(task, record, folder)
    impossible = _why_not(spec, task.sweep.folds)
    if impossible:
        return Refit(f"not refit: {impossible}")
    ended = _trained(spec, executor, listener, task.sweep.faults.retries)
    if isinstance(ended, Failed):
        return Refit(f"not refit, for that failed: {ended.reason}")
    words = _words(spec)
    text = json.dumps({"words": words})
    files.write_atomically(folder / DONE, lambda path: path.write_text(text, encoding="utf-8"))
    return Refit(words, folder / NETWORK, ended.result.history if spec.optimizer else ())


def _spec(task: Task, record: TrialRecord, folder: Path) -> TrialSpec:
    spec = task.specify(Proposal(record.number, record.params), folder / NETWORK)
    return replace(
        spec,
        examples=spec.examples.whole(),
        kept_epoch=record.best_epoch,
        checkpoint=folder / CHECKPOINT,
        checkpoint_every=task.sweep.faults.checkpoint_every,
    )


def _why_not(spec: TrialSpec, folds: int) -> str:
    """Return why a refit would be no better than what is there; "": it may be."""
    if folds > 1 and not spec.optimizer:
        return "with folds it was fitted on all images but those of the test split already"
    if sum(bool(one.optimizer) for one in spec.voters) > 1:
        return "a vote of several networks keeps the epoch of one of them alone"
    return ""


def _words(spec: TrialSpec) -> str:
    images = f"refit on {len(spec.examples.train)} images, all but those of the test split"
    return f"{images} (kept: {epoch_named(spec.kept_epoch)})" if spec.optimizer else images


def _trained(
    spec: TrialSpec, executor: Executor, listener: Listener, retries: int
) -> Finished | Failed:
    for _ in range(retries):
        ended = _once(spec, executor, listener)
        if isinstance(ended, Finished) or ended.fault not in PASSING:
            return ended
        if ended.fault == "memory":
            spec = replace(spec, batch_size=max(1, spec.batch_size // 2))
    return _once(spec, executor, listener)


def _once(spec: TrialSpec, executor: Executor, listener: Listener) -> Finished | Failed:
    shutil.rmtree(spec.folder, ignore_errors=True)  # half of one, perhaps
    listener.refitting("starting")
    while not executor.free():  # a cluster's nodes come and go
        executor.wait(POLL_SECONDS)
        listener.tick()
    executor.submit(spec)
    try:
        while True:
            for event in executor.wait(POLL_SECONDS):
                if isinstance(event, Epoch):
                    executor.answer(spec.number, None)
                    listener.refitting(f"epoch {event.report.epoch} of {spec.kept_epoch}")
                elif isinstance(event, Doing):
                    listener.refitting(event.words)
                elif isinstance(event, Failed) and event.fault == "disk":
                    raise RunError(f"refit: {event.reason}; make room on the disk")
                elif isinstance(event, Failed | Finished):
                    return event
            listener.tick()
    finally:
        listener.refitting(None)
