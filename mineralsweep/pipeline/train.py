"""A single training, from its settings to a run with a model."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.config import Sweep
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import RunError
from mineralsweep.evaluation import Scores, score
from mineralsweep.executors import EXECUTORS, Doing, Epoch, Executor, Failed, Finished
from mineralsweep.pipeline.checks import Say, check_weights, open_sweep_data

if TYPE_CHECKING:
    from mineralsweep.study import Listener
    from mineralsweep.tracking import Store, TrialRun
    from mineralsweep.training.spec import TrialSpec


@dataclass(frozen=True)
class TrainOutcome:
    """What a single training left. `scores` are those of the validation split."""

    store: Store
    run_id: str
    model_id: str
    spec: TrialSpec
    scores: Scores
    best_epoch: int
    reason: str


def train_one(sweep: Sweep, listener: Listener, say: Say) -> TrainOutcome:
    """Train one model: a sweep's settings whose space holds constants only.

    Raises:
        InputError: the data or the weights can't be used; nothing was run.
        RunError: the training failed; its run says why.
    """
    from mineralsweep.study import examples
    from mineralsweep.training.spec import specify

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
            examples=examples(dataset, size),
        )
        executor = EXECUTORS["local"](1, Path(scratch))
        try:
            return _train(spec, dataset, executor, listener)
        finally:
            executor.close()


def _train(
    spec: TrialSpec, dataset: Dataset, executor: Executor, listener: Listener
) -> TrainOutcome:
    from mineralsweep.tracking import TrialRun, open_store

    executor.submit(spec)
    store = open_store()
    run_id = store.take_given_run(f"train {spec.architecture}", {"mineralsweep.kind": "training"})
    run = TrialRun(store, run_id, spec, dataset)
    listener.trial_started(spec)
    try:
        event = _follow(spec, executor, run, listener)
        if isinstance(event, Failed):
            raise RunError(f"training failed: {event.reason}; see run {run_id}")
        result = event.result
        scores = score(result.probabilities, spec.examples.validation_labels, dataset.classes)
        reason = result.stop_reason or ""
        model_id = run.finish(result, scores, "COMPLETE", reason)
    except RunError:
        assert isinstance(event, Failed)
        run.fail(event.reason, event.log)
        raise
    except BaseException as error:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            run.fail("interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
        raise
    return TrainOutcome(store, run_id, model_id, spec, scores, result.best_epoch, reason)


def _follow(
    spec: TrialSpec, executor: Executor, run: TrialRun, listener: Listener
) -> Finished | Failed:
    """Write each epoch of the one trial that runs, and return how it ended."""
    while True:
        for event in executor.wait(1.0):
            if isinstance(event, Doing):
                listener.trial_does(spec, event.words)
                continue
            if not isinstance(event, Epoch):
                return event
            run.epoch(event.report)
            executor.answer(spec.number, None)
            listener.epoch_ended(spec, event.report)
        listener.tick()
