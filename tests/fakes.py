"""Stand-ins that keep the real contracts: an executor that trains nothing, a silent listener,
a model that answers by colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mineralsweep.core.record import TrialRecord
from mineralsweep.core.trial import EpochReport, FoldResult, TrialResult, TrialSpec
from mineralsweep.data.decode import decode
from mineralsweep.executors import Epoch, Event, Failed, Fault, Finished, Slots
from mineralsweep.serving.ensemble import CLASSES_FILE
from mineralsweep.serving.network import NETWORK_FILE
from mineralsweep.tracking import Away

Script = Callable[[TrialSpec], float | str | tuple[str, Fault]]
"""A trial's final accuracy in [0, 1], or the reason why it fails, with the kind of fault."""


def by_learning_rate(spec: TrialSpec) -> float:
    """Return an accuracy that is best near a learning rate of 1e-3; an estimator has none."""
    if not spec.learning_rate:
        return 0.5
    return float(np.clip(1 - abs(np.log10(spec.learning_rate) + 3) / 3, 0, 1))


class FakeExecutor:
    """An `Executor` whose trials end at once, as a script says."""

    def __init__(
        self, script: Script = by_learning_rate, slots: int = 1, measured: bool = False
    ) -> None:
        self.measured = measured
        self.script = script
        self.room = slots
        self.specs: list[TrialSpec] = []
        self.closed = False
        self._live: dict[int, tuple[TrialSpec, list[EpochReport], str | None]] = {}
        self._waiting: set[int] = set()

    def free(self) -> int:
        return self.room - len(self._live)

    def slots(self) -> Slots:
        return Slots(self.room)

    def submit(self, spec: TrialSpec) -> None:
        if not self.free():
            raise RuntimeError(f"trial {spec.number}: every worker is busy")
        self.specs.append(spec)
        self._live[spec.number] = (spec, [], None)

    def wait(self, timeout: float) -> list[Event]:
        return [self._step(number) for number in sorted(self._live.keys() - self._waiting)]

    def answer(self, number: int, stop_reason: str | None, fold: int | None = None) -> None:
        spec, history, _ = self._live[number]
        self._live[number] = (spec, history, stop_reason)
        self._waiting.discard(number)

    def close(self) -> None:
        self.closed = True

    def _step(self, number: int) -> Event:
        spec, history, stop = self._live[number]
        final = self.script(spec)
        if not isinstance(final, float | int):
            told: tuple[str, Fault] = (final, "error") if isinstance(final, str) else final
            del self._live[number]
            return Failed(number, told[0], "the last words of the worker", told[1])
        if stop is None and len(history) < spec.epochs:
            reached = final * (len(history) + 1) / spec.epochs
            epoch, counts = len(history) + 1, _confusion(spec, reached)
            history.append(
                EpochReport(epoch, 1 - reached, reached, 1 - reached, reached, 1e-3, 0.1, counts)
            )
            self._waiting.add(number)
            return Epoch(number, history[-1])
        del self._live[number]
        return Finished(number, self._result(spec, history, final, stop))

    def _result(
        self, spec: TrialSpec, history: list[EpochReport], final: float, stop: str | None
    ) -> TrialResult:
        predicted = _predicted(spec, final)
        probabilities = np.full((len(predicted), len(spec.examples.classes)), 0.1, np.float32)
        probabilities[np.arange(len(predicted)), predicted] = 0.8
        write_dummy_network(spec.folder)
        return TrialResult(
            history=tuple(history),
            best_epoch=len(history),
            probabilities=probabilities,
            stop_reason=stop,
            pruned=stop is not None,
            parameters=1000,
            trainable=900,
            flops=10**6,
            precision="float32",
            folder=spec.folder,
            seconds=0.1,
            costs={"latency_ms": 1.0 + final, "size_mb": 2.0} if self.measured else {},
        )


def _predicted(spec: TrialSpec, accuracy: float) -> list[int]:
    """Return a class an image: the first ones are right, the others one beside."""
    labels, classes = spec.examples.validation_labels, len(spec.examples.classes)
    right = round(accuracy * len(labels))
    return [one if row < right else (one + 1) % classes for row, one in enumerate(labels)]


def _confusion(spec: TrialSpec, accuracy: float) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((len(spec.examples.classes),) * 2, int)
    np.add.at(counts, (list(spec.examples.validation_labels), _predicted(spec, accuracy)), 1)
    return tuple(tuple(map(int, row)) for row in counts)


def write_dummy_network(folder: Path) -> None:
    """Write files with a trained network's names, which nothing loads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NETWORK_FILE).write_bytes(b"no network")
    (folder / CLASSES_FILE).write_text("[]")


class Watcher:
    """A `Listener` that remembers."""

    def __init__(self) -> None:
        self.started: list[TrialSpec] = []
        self.epochs: list[tuple[int, int]] = []
        self.folds: list[tuple[int, int]] = []
        self.ended: list[TrialRecord] = []
        self.doings: list[tuple[int, str]] = []
        self.opened: list[tuple[str, int]] = []
        self.retried: list[tuple[int, str]] = []
        self.aways: list[Away] = []
        self.slots: list[int] = []
        self.refits: list[str | None] = []

    def study_opened(self, name: str, ended: list[TrialRecord]) -> None:
        self.opened.append((name, len(ended)))

    def trial_started(self, spec: TrialSpec) -> None:
        self.started.append(spec)

    def epoch_ended(self, spec: TrialSpec, report: EpochReport, fold: int | None = None) -> None:
        self.epochs.append((spec.number, report.epoch))

    def fold_ended(self, spec: TrialSpec, fold: FoldResult) -> None:
        self.folds.append((spec.number, fold.fold))

    def trial_does(self, spec: TrialSpec, words: str) -> None:
        self.doings.append((spec.number, words))

    def trial_retried(self, spec: TrialSpec, reason: str, goes_on: bool) -> None:
        self.retried.append((spec.number, reason))

    def trial_ended(self, record: TrialRecord) -> None:
        self.ended.append(record)

    def refitting(self, words: str | None) -> None:
        self.refits.append(words)

    def store_away(self, away: Away | None) -> None:
        if away is not None:
            self.aways.append(away)

    def slots_changed(self, count: int, words: str) -> None:
        self.slots.append(count)

    def tick(self) -> None:
        return


class FakeModel:
    """A `app.predict.Model` that answers by the mean red of an image, and remembers.

    Args:
        uri: its own.
        novelty: of each image; None: it does not say.
        refuses: the beginning of contents that it refuses.
    """

    classes = ("red", "other")

    def __init__(
        self, uri: str = "models:/m/1", novelty: float | None = None, refuses: bytes = b"\0"
    ) -> None:
        self.uri, self._novelty, self._refuses = uri, novelty, refuses
        self.asked: list[bytes] = []
        self.batches: list[int] = []

    @property
    def tells_novelty(self) -> bool:
        return self._novelty is not None

    def ask(self, contents: Sequence[bytes]) -> list[dict[str, Any] | str]:
        self.asked += contents
        self.batches.append(len(contents))
        return [self._row(content) for content in contents]

    def _row(self, content: bytes) -> dict[str, Any] | str:
        if content.startswith(self._refuses):
            return "of a kind that this release did not read"
        red = float(decode(content, (1, 1)).reshape(3)[0]) / 255
        row = {
            "label": "red" if red > 0.5 else "other",
            "confidence": max(red, 1 - red),
            "probabilities": {"red": red, "other": 1 - red},
        }
        if self._novelty is None:
            return row
        verdict = "unlike_training" if self._novelty > 1 else "like_training"
        return {**row, "verdict": verdict, "novelty": self._novelty}
