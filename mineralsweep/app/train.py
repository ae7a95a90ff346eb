"""A single training, from its settings to a run with a model."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep import machine
from mineralsweep.app.checks import Say, check_weights, open_sweep_data
from mineralsweep.config import Sweep
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import RunError
from mineralsweep.evaluation import FoldMean, Scores, score
from mineralsweep.executors import (
    EXECUTORS,
    Doing,
    Epoch,
    Executor,
    Failed,
    Finished,
    FoldedExecutor,
)

if TYPE_CHECKING:
    from mineralsweep.core.trial import TrialSpec
    from mineralsweep.search import Listener
    from mineralsweep.tracking import Store, TrialRun


@dataclass(frozen=True)
class TrainOutcome:
    """What a single training left.

    `scores` are those of the validation split; with folds, of all images but the test split, each
    answered by the network that was not trained on it, and `over_folds` is the mean over folds.
    """

    store: Store
    run_id: str
    model_id: str
    spec: TrialSpec
    scores: Scores
    best_epoch: int
    reason: str
    over_folds: FoldMean | None = None


def train_one(sweep: Sweep, listener: Listener, say: Say, name: str | None = None) -> TrainOutcome:
    """Train one model: a sweep's settings whose space holds constants only.

    Args:
        sweep: the settings.
        listener: is told what happens.
        say: is told what the data holds.
        name: of the run; None: "train" and the architecture.

    Raises:
        InputError: the data or the weights can't be used; nothing was run.
        RunError: the training failed; its run says why.
    """
    from mineralsweep.search import examples, folds_of
    from mineralsweep.search.specify import specify

    dataset = open_sweep_data(sweep, say)
    architecture = sweep.space.architectures()[0]
    check_weights(architecture, sweep.weights)
    size = sweep.size_for(architecture)
    with tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch:
        spec = specify(
            {name: entry.bounds()[0] for name, entry in sweep.space.entries().items()},
            number=0,
            epochs=sweep.budget.epochs,
            patience=sweep.budget.patience,
            image_size=size,
            seed=sweep.seed,
            weights=sweep.weights,
            training=sweep.training,
            deepest=sweep.deepest(),
            folder=Path(scratch) / "model",
            examples=examples(dataset, size, folds_of(dataset, sweep)),
        )
        executor = _executor(sweep, Path(scratch))
        try:
            return _train(spec, dataset, executor, listener, name)
        finally:
            executor.close()


def _executor(sweep: Sweep, folder: Path) -> Executor:
    """Return one worker; with folds, as many as suit the machine."""
    if sweep.folds == 1:
        return EXECUTORS["local"](1, folder)
    workers = sweep.workers or min(machine.workers(), sweep.fits())
    return FoldedExecutor(EXECUTORS["local"](workers, folder))


def _train(
    spec: TrialSpec, dataset: Dataset, executor: Executor, listener: Listener, name: str | None
) -> TrainOutcome:
    from mineralsweep.tracking import Point, SystemMetrics, TrialRun, now_ms, open_store
    from mineralsweep.training.folds import over_folds, predicted

    executor.submit(spec)
    store = open_store()
    run_id = store.take_given_run(
        name or f"train {spec.architecture_name}", {"mineralsweep.kind": "training"}
    )
    run = TrialRun(store, run_id, spec.architecture_name, dataset)
    run.describe(spec.params())
    system = SystemMetrics(lambda metrics, step: run.write([Point(metrics, step, now_ms())]))
    listener.trial_started(spec)
    try:
        event = _follow(spec, executor, run, listener)
        if isinstance(event, Failed):
            raise RunError(f"training failed: {event.reason}; see run {run_id}")
        result = event.result
        scores = score(result.probabilities, spec.labels_of(result), dataset.classes)
        reason = result.stop_reason or ""
        system.finish()
        model_id = run.finish(result, scores, "COMPLETE", reason, predicted(spec, result), now_ms())
    except RunError:
        assert isinstance(event, Failed)
        run.fail(event.reason, event.log)
        raise
    except BaseException as error:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            run.fail("interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
        raise
    finally:
        system.finish()
    mean = over_folds(spec, result)
    return TrainOutcome(store, run_id, model_id, spec, scores, result.best_epoch, reason, mean)


def _follow(
    spec: TrialSpec, executor: Executor, run: TrialRun, listener: Listener
) -> Finished | Failed:
    """Write each epoch of the one trial that runs, and return how it ended."""
    from mineralsweep.tracking import Point, now_ms

    while True:
        for event in executor.wait(1.0):
            if isinstance(event, Doing):
                listener.trial_does(spec, event.words)
                continue
            if isinstance(event, Finished | Failed):
                return event
            if isinstance(event, Epoch):
                metrics = event.report.metrics(event.fold)
                run.write([Point(metrics, event.report.epoch, now_ms())])
                executor.answer(spec.number, None, event.fold)
                listener.epoch_ended(spec, event.report, event.fold)
            else:
                run.write([Point(event.fold.metrics(), event.fold.fold, now_ms())])
                executor.answer(spec.number, None, event.fold.fold)
                listener.fold_ended(spec, event.fold)
        listener.tick()
