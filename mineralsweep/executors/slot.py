"""One slot of a node: a process that trains trial after trial, far from the driver's disk."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mineralsweep
from mineralsweep.core.trial import EpochReport, TrialSpec
from mineralsweep.executors import freight, worker
from mineralsweep.executors.executor import Doing, Epoch, Event, Failed, Finished
from mineralsweep.executors.freight import Content, Sent

LOG_TAIL = 8_000
VERSIONED = ("tensorflow", "keras", "numpy", "scikit-learn")
"""Packages of which a node must have the driver's version: others could train otherwise."""


def versions() -> dict[str, str]:
    """Return what must be the same on every node."""
    own = {"python": ".".join(platform.python_version_tuple()[:2])}
    own["mineralsweep"] = mineralsweep.__version__
    return own | {name: importlib.metadata.version(name) for name in VERSIONED}


@dataclass(frozen=True)
class Load:
    """A trial on its way to a node.

    Attributes:
        spec: with the driver's own paths.
        sent: path on the driver -> the file, for each of `freight.needed`.
        checkpoint, initial: what the trial goes on from.
    """

    spec: TrialSpec
    sent: Mapping[Path, Sent]
    checkpoint: Content
    initial: Content


@dataclass(frozen=True)
class Word:
    """What a slot says: an event, and what goes with it.

    Attributes:
        event: a result's folder is of no use to the driver.
        checkpoint: files that changed since the last word.
        trained: the files of the trained network, where the trial has ended.
        fetched: bytes that came to the node for this trial; told with its end.
        memory: of the process, in bytes.
    """

    event: Event
    checkpoint: Content
    trained: Content
    fetched: int
    memory: int


class Slot:
    """Runs one trial at a time; its methods are called from several threads.

    Args:
        threads: for TensorFlow's operations.
        has_gpu: whether it was given a GPU, or a part of one; else it sees none.
    """

    def __init__(self, threads: int, has_gpu: bool = False) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="mineralsweep-")
        self._log = Path(self._scratch.name) / "log"
        worker.print_to(self._log)
        worker.configure(threads, None if has_gpu else "")
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def hello(self) -> dict[str, Any]:
        """Return what the driver wants to know before it gives a trial."""
        return {"versions": versions(), "pid": os.getpid()}

    def answer(self, stop_reason: str | None) -> None:
        """Answer the report that the trial waits with."""
        self._answers.put(stop_reason)

    def run(self, load: Load, fetch: Mapping[str, Callable[[], Iterator[bytes]]]) -> Iterator[Word]:
        """Run a trial, and give its events; the last is its end.

        Args:
            load: the trial.
            fetch: digest -> what brings the file's parts.
        """
        words: queue.SimpleQueue[Word] = queue.SimpleQueue()
        training = threading.Thread(target=self._train, args=(load, fetch, words.put), daemon=True)
        training.start()
        while True:
            word = words.get()
            yield word
            if isinstance(word.event, Finished | Failed):
                return

    def _train(
        self,
        load: Load,
        fetch: Mapping[str, Callable[[], Iterator[bytes]]],
        tell: Callable[[Word], None],
    ) -> None:
        number, fetched = load.spec.number, 0
        folder = freight.cleared(Path(self._scratch.name) / "trial")
        checkpoint = folder / "checkpoint" if load.spec.checkpoint else None
        known: dict[str, int] = {}

        def word(event: Event, trained: Content | None = None) -> Word:
            nonlocal known
            changed = freight.packed(checkpoint, known)
            known = freight.times(checkpoint)
            came = fetched if isinstance(event, Finished | Failed) else 0
            return Word(event, changed, trained or {}, came, worker.memory())

        def report(epoch: EpochReport) -> str | None:
            tell(word(Epoch(number, epoch)))
            return self._answers.get()

        def say(words: str) -> None:
            tell(Word(Doing(number, words), {}, {}, 0, 0))

        def run() -> Finished:
            from mineralsweep.training.run import run_trial

            nonlocal fetched, known
            for sent in load.sent.values():
                fetched += freight.received(sent, fetch[sent.digest])
            if checkpoint is not None:
                freight.unpacked(load.checkpoint, checkpoint)
                known = freight.times(checkpoint)
            initial = folder / "initial"
            freight.unpacked(load.initial, initial)
            spec = replace(
                freight.moved(load.spec, lambda path: load.sent[path].place),
                folder=folder / "trained",
                checkpoint=checkpoint,
                initial=initial if load.initial else None,
            )
            return Finished(number, run_trial(spec, report, say))

        event = worker.ended(number, run)
        if isinstance(event, Failed):
            tell(word(replace(event, log=self._tail())))
        else:
            tell(word(event, freight.packed(folder / "trained")))

    def _tail(self) -> str:
        try:
            return self._log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
        except OSError:
            return ""


def differing(own: Mapping[str, str], theirs: Mapping[str, str]) -> Sequence[str]:
    """Return in words what a node has otherwise than the driver."""
    return [
        f"{name} {theirs.get(name, 'none')} (the driver has {version})"
        for name, version in own.items()
        if theirs.get(name) != version
    ]
