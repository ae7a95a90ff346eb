"""The study again: its five variants, trained as it did, over several splits and over folds."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mineralsweep import files
from mineralsweep.app.cells import Cell, Protocol, cells, divided, specified
from mineralsweep.app.checks import Say, check_weights, study_folder, study_locked
from mineralsweep.config import Training
from mineralsweep.core.trial import TrialSpec
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import ConfigError, RunError, StudyConflict, WeightsUnavailable
from mineralsweep.evaluation import Scores, score
from mineralsweep.executors import EXECUTORS, Doing, Epoch, Executor, Failed, Finished
from mineralsweep.models.original import VARIANTS, Variant

if TYPE_CHECKING:
    import pandas as pd

    from mineralsweep.report.reproduction import Outcome
    from mineralsweep.tracking.reproduction import ReproductionRun

POLL_SECONDS = 1.0
LINE_EVERY = 60.0
"""Seconds between lines on how far a training is."""
KEPT = "reproduction.json"

Evaluate = Callable[[Path, Dataset], Scores]
"""(a trained network's folder, the data with its division) -> scores on the test part."""


@dataclass(frozen=True)
class Reproduction:
    """What is asked for.

    Attributes:
        variants: names of `VARIANTS`.
        protocol: splits, folds and epochs.
        study: a name; the same one goes on where it was.
        workers: trainings at a time.
        training: precision and views.
        weights: for VGG16.
        image_size: (height, width) in pixels; None: the study's.
    """

    variants: tuple[str, ...]
    protocol: Protocol
    study: str
    workers: int
    training: Training
    weights: str
    image_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Reproduced:
    """The table, and where it stands. `missing`: cells that failed, by name, with the reason."""

    table: pd.DataFrame
    markdown: str
    run_id: str
    store_uri: str
    experiment: str
    failed: dict[str, str]


def reproduce(
    asked: Reproduction,
    dataset: Dataset,
    say: Say,
    make_executor: Callable[[int, Path], Executor] | None = None,
    evaluate: Evaluate | None = None,
) -> Reproduced:
    """Train what is asked for and not there yet, and return the table of all of it.

    Every training that ended is kept in the study's folder; the same call goes on where an
    interrupted one was.

    Args:
        asked: what.
        dataset: all images; how it is split does not matter.
        say: is told what happens, a line at a time.
        make_executor: (workers, folder for logs) -> what trains; None: processes of this machine.
        evaluate: scores a network; None: through the file that was saved.

    Raises:
        ConfigError: a variant's name is unknown, or nothing is asked for.
        StudyConflict: the study holds trainings on other data or with other settings.
        RunError: no training succeeded.
    """
    variants = [_variant(name) for name in asked.variants]
    missing = _without_weights(variants, asked.weights, say)
    there = [variant for variant in variants if variant.name not in missing]
    folder = study_folder(asked.study)
    with study_locked(folder):
        kept = _Kept.open(folder, asked, dataset)
        wanted = cells(there, asked.protocol)
        session = _Session(asked, dataset, kept, say, evaluate or _evaluate)
        session.begin(wanted)
        executor = (make_executor or EXECUTORS["local"])(asked.workers, folder / "logs")
        try:
            session.run(executor, folder / "trainings")
            return session.conclude(variants, missing)
        except BaseException as error:
            session.run_of.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        finally:
            executor.close()
            shutil.rmtree(folder / "trainings", ignore_errors=True)


class _Session:
    """One go at a reproduction's trainings."""

    run_of: ReproductionRun

    def __init__(
        self, asked: Reproduction, dataset: Dataset, kept: _Kept, say: Say, evaluate: Evaluate
    ) -> None:
        self._asked, self._dataset, self._kept, self._say = asked, dataset, kept, say
        self._evaluate = evaluate
        self._wanted: list[Cell] = []
        self._waiting: list[Cell] = []
        self._live: dict[int, tuple[Cell, TrialSpec, Dataset]] = {}
        self._told = time.monotonic()
        self.failed: dict[str, str] = {}

    def begin(self, wanted: Sequence[Cell]) -> None:
        """Open the run; find out what is left to do."""
        from mineralsweep.tracking import open_store
        from mineralsweep.tracking.reproduction import ReproductionRun

        self.store = open_store()
        run_id = self._kept.run_id
        known = run_id if run_id is not None and self.store.has_run(run_id) else None
        self.run_of = ReproductionRun(
            self.store, self._asked.study, self._dataset, self._settings(), known
        )
        self._kept.set_run(self.run_of.run_id)
        self._wanted = list(wanted)
        self._waiting = [cell for cell in wanted if cell.name not in self._kept.outcomes]
        done = len(wanted) - len(self._waiting)
        self._say(
            f"Study {self._asked.study}: {len(wanted)} trainings, {self._asked.workers} at a time"
            + (f"; {done} are there already" if done else "")
        )

    def run(self, executor: Executor, folder: Path) -> None:
        """Train until nothing waits."""
        queue = list(enumerate(self._waiting))
        while queue or self._live:
            while queue and executor.free():
                number, cell = queue.pop(0)
                self._start(executor, number, cell, folder / cell.name)
            for event in executor.wait(POLL_SECONDS):
                if isinstance(event, Epoch):
                    executor.answer(event.number, None)
                    self._tell(event)
                elif isinstance(event, Finished):
                    self._finish(event)
                elif isinstance(event, Failed):
                    self._fail(event)
                else:
                    assert isinstance(event, Doing)

    def conclude(self, variants: Sequence[Variant], missing: dict[str, str]) -> Reproduced:
        """Write the table and end the run."""
        from mineralsweep.report import reproduction

        outcomes = self._outcomes()
        if not outcomes:
            raise RunError(f"no training succeeded: {next(iter(self.failed.values()), 'none ran')}")
        shown = reproduction.table(variants, outcomes, missing)
        text = reproduction.page(shown, outcomes, self._wanted_count(), self.failed, missing)
        self.run_of.table(shown, text, len(self._kept.outcomes))
        self.run_of.end("FAILED" if self.failed else "FINISHED")
        return Reproduced(
            shown, text, self.run_of.run_id, self.store.uri, self.store.experiment, self.failed
        )

    def _start(self, executor: Executor, number: int, cell: Cell, folder: Path) -> None:
        own = divided(cell, self._dataset)
        asked = self._asked
        spec = specified(cell, number, own, asked.training, asked.weights, asked.image_size, folder)
        # Kept when this session ends, so that a long training goes on from there.
        spec = replace(spec, checkpoint=self._state(cell))
        self._live[number] = (cell, spec, own)
        executor.submit(spec)

    def _tell(self, event: Epoch) -> None:
        if time.monotonic() - self._told < LINE_EVERY:
            return
        self._told = time.monotonic()
        cell = self._live[event.number][0]
        report = event.report
        self._say(
            f"  {cell.name}: epoch {report.epoch}/{cell.epochs},"
            f" val_accuracy {report.val_accuracy:.3f}; {report.seconds:.0f} s an epoch"
        )

    def _finish(self, event: Finished) -> None:
        from mineralsweep.registry.evidence import digest_of_split
        from mineralsweep.report.reproduction import Outcome

        cell, spec, own = self._live.pop(event.number)
        result = event.result
        run_id = self.run_of.open_test_part(cell.name, own, digest_of_split(own))
        try:
            scores = self._evaluate(result.folder, own)
            self.run_of.training(run_id, spec, own, result, scores)
        except BaseException:
            self.run_of.broke(run_id)
            raise
        outcome = Outcome(
            variant=cell.variant.name,
            kind=cell.kind,
            index=cell.index,
            of=cell.of,
            epochs=len(result.history),
            best_epoch=result.best_epoch,
            train=len(own.split.train),
            validation=len(own.split.validation),
            scores=scores,
            run_id=run_id,
            seconds=result.seconds,
        )
        self._kept.add(cell.name, outcome)
        shutil.rmtree(spec.folder, ignore_errors=True)
        shutil.rmtree(self._state(cell), ignore_errors=True)
        self._say(
            f"[{len(self._outcomes())}/{len(self._wanted)}] {cell.name}: test accuracy"
            f" {scores.accuracy}, loss {scores.loss:.3f}, weights of epoch {result.best_epoch};"
            f" {result.seconds:.0f} s"
        )

    def _fail(self, event: Failed) -> None:
        cell, spec, _ = self._live.pop(event.number)
        self.failed[cell.name] = event.reason
        self.run_of.failed(cell.name, event.reason, event.log)
        shutil.rmtree(spec.folder, ignore_errors=True)
        shutil.rmtree(self._state(cell), ignore_errors=True)
        self._say(f"{cell.name}: FAILED: {event.reason}")

    def _state(self, cell: Cell) -> Path:
        return study_folder(self._asked.study) / "states" / cell.name

    def _outcomes(self) -> list[Outcome]:
        kept = self._kept.outcomes
        return [kept[cell.name] for cell in self._wanted if cell.name in kept]

    def _wanted_count(self) -> int:
        return len(self._wanted)

    def _settings(self) -> dict[str, Any]:
        asked, protocol = self._asked, self._asked.protocol
        return {
            "reproduce.variants": ", ".join(asked.variants),
            "reproduce.seeds": protocol.seeds,
            "reproduce.folds": protocol.folds,
            "reproduce.epochs": protocol.epochs or "the study's",
            "reproduce.fold_epochs": protocol.fold_epochs or "the study's",
            "reproduce.precision": asked.training.precision,
        }


class _Kept:
    """The trainings that ended, in a file of the study's folder."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        from mineralsweep.report.reproduction import Outcome

        self._path, self._data = path, data
        self.outcomes = {name: Outcome.from_dict(one) for name, one in data["trainings"].items()}

    @classmethod
    def open(cls, folder: Path, asked: Reproduction, dataset: Dataset) -> _Kept:
        """Read what is there, if it answers the same question.

        Raises:
            StudyConflict: it does not.
        """
        path = folder / KEPT
        question = _question(asked, dataset)
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError:
            if (folder / "settings.json").exists():
                raise StudyConflict(
                    f"study '{folder.name}' is a sweep; take another name: --study NAME"
                ) from None
            return cls(path, {"question": question, "run_id": None, "trainings": {}})
        except ValueError as error:
            raise ConfigError(
                f"{path}: can't be read ({error}); take another name: --study NAME"
            ) from None
        changes = [
            f"  {name}: was {old}, is {question[name]}"
            for name, old in data["question"].items()
            if old != question[name]
        ]
        if changes:
            raise StudyConflict(
                f"study '{folder.name}' has trainings with other settings:\n"
                + "\n".join(changes)
                + "\nundo the change, or take a new name: --study NAME"
            )
        return cls(path, data)

    @property
    def run_id(self) -> str | None:
        found = self._data["run_id"]
        return None if found is None else str(found)

    def set_run(self, run_id: str) -> None:
        self._data["run_id"] = run_id
        self._write()

    def add(self, name: str, outcome: Outcome) -> None:
        self.outcomes[name] = outcome
        self._data["trainings"][name] = outcome.to_dict()
        self._write()

    def _write(self) -> None:
        text = json.dumps(self._data, indent=1)
        files.write_atomically(self._path, lambda path: path.write_text(text))


def _question(asked: Reproduction, dataset: Dataset) -> dict[str, str]:
    return {
        "data": f"{len(dataset.catalog.images)} images, digest {dataset.catalog.digest[:16]}",
        "precision": asked.training.precision,
        "views": str(asked.training.views),
        "weights": asked.weights,
        "image_size": str(asked.image_size or "the study's"),
    }


def _variant(name: str) -> Variant:
    from mineralsweep.errors import did_you_mean

    if name not in VARIANTS:
        raise ConfigError(f"--variants: unknown variant '{name}'{did_you_mean(name, VARIANTS)}")
    return VARIANTS[name]


def _without_weights(variants: Sequence[Variant], weights: str, say: Say) -> dict[str, str]:
    missing = {}
    for variant in variants:
        try:
            check_weights(variant.architecture, weights)
        except WeightsUnavailable as error:
            if weights != "imagenet":
                raise
            missing[variant.name] = str(error)
            say(f"Left out: {variant.name}: {error}")
    return missing


def _evaluate(folder: Path, dataset: Dataset) -> Scores:
    """Score a saved network on the test part, through the file."""
    from mineralsweep.serving import network

    rows, labels = dataset.split.test, dataset.labels()
    loaded = network.load(folder)
    images = np.asarray(arrays.load(dataset.arrays(loaded.image_size))[list(rows)])
    return score(loaded.predict(images), [labels[row] for row in rows], dataset.classes)
