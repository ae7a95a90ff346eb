"""What every sweep has to beat: colour_texture with its defaults, on the same images."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app.checks import Say
from mineralsweep.config import Sweep
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.engine import Engine
from mineralsweep.errors import RunError
from mineralsweep.evaluation import score
from mineralsweep.executors import Epoch, Executor, Failed, Finished, FoldEnded
from mineralsweep.models.colour_texture import COLOUR_TEXTURE

if TYPE_CHECKING:
    from mineralsweep.core.trial import TrialSpec
    from mineralsweep.registry import Crowned
    from mineralsweep.tracking import Store, SweepRun, TrialRun

NOTE = "baseline"
"""Where the engine keeps its record: a study that goes on does not fit it again."""


def noted(engine: Engine) -> TrialRecord | None:
    """Return the study's baseline from an earlier session, None without one."""
    text = engine.notes().get(NOTE)
    return None if text is None else TrialRecord.from_dict(json.loads(text))


def ensure(
    sweep: Sweep,
    dataset: Dataset,
    engine: Engine,
    executor: Executor,
    run: SweepRun,
    folder: Path,
    say: Say,
) -> TrialRecord | None:
    """Fit and score the baseline before the search, once a study; a few seconds.

    It has the image size, the split or the folds, and the seed that every trial has, a run of its
    own under the sweep's, and a row on the leaderboard. It takes nothing from the budget, and the
    engine does not learn from it.

    Args:
        sweep: says whether there is one, and on what.
        dataset: what the trials are trained on.
        engine: keeps its record with the study.
        executor: fits it.
        run: the sweep's; the baseline's is made under it.
        folder: scratch space of its own, removed afterwards.
        say: is told how good it is.

    Returns:
        Its record; None where the sweep wants none, or where it failed: that costs no sweep.
    """
    if sweep.baseline == "none":
        return None
    earlier = noted(engine)
    if earlier is not None:
        return earlier
    spec = _specify(sweep, dataset, folder)
    try:
        record = _run_or_run_again(sweep, spec, executor, run)
    except RunError as error:
        say(f"Baseline: failed: {error}; the sweep goes on without it")
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    engine.set_note(NOTE, json.dumps(record.to_dict()))
    say(
        f"Baseline, {COLOUR_TEXTURE.name}: val_accuracy {record.interval()},"
        f" loss {record.loss:.3f}; {record.seconds:.0f} s"
    )
    return record


def _specify(sweep: Sweep, dataset: Dataset, folder: Path) -> TrialSpec:
    from mineralsweep.search import examples, folds_of
    from mineralsweep.search.specify import specify

    size = sweep.size_for(COLOUR_TEXTURE.name)
    return specify(
        {"architecture": COLOUR_TEXTURE.name},
        number=BASELINE,
        epochs=1,
        patience=0,
        image_size=size,
        seed=sweep.seed,
        weights=sweep.weights,
        training=sweep.training,
        deepest=0,
        folder=folder,
        examples=examples(dataset, size, folds_of(dataset, sweep)),
    )


class _MayPass(RunError):
    """The fault was the machine's: once more, it may go well."""


def _run_or_run_again(
    sweep: Sweep, spec: TrialSpec, executor: Executor, run: SweepRun
) -> TrialRecord:
    try:
        return _run(sweep, spec, executor, run)
    except _MayPass:
        return _run(sweep, spec, executor, run)


def _run(sweep: Sweep, spec: TrialSpec, executor: Executor, run: SweepRun) -> TrialRecord:
    from mineralsweep.search import records
    from mineralsweep.tracking import now_ms
    from mineralsweep.training.folds import predicted

    trial = run.start_baseline(spec)
    try:
        event = _follow(spec, executor, trial)
        if isinstance(event, Failed):
            trial.fail(event.reason, event.log)
            raise (_MayPass if event.fault in ("crash", "memory") else RunError)(event.reason)
        result = event.result
        scores = score(result.probabilities, spec.labels_of(result), spec.examples.classes)
        trial.finish(result, scores, "COMPLETE", "", predicted(spec, result), now_ms())
    except RunError:
        raise
    except BaseException as error:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            trial.fail("interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
        raise
    settings: Params = {"architecture": COLOUR_TEXTURE.name}
    return run.located([records.of_result(sweep, spec, settings, result)])[0]


def _follow(spec: TrialSpec, executor: Executor, trial: TrialRun) -> Finished | Failed:
    """Write what the baseline reports, and return how it ended."""
    from mineralsweep.tracking import Point, now_ms

    executor.submit(spec)
    while True:
        for event in executor.wait(1.0):
            if isinstance(event, Finished | Failed):
                return event
            if isinstance(event, Epoch):
                metrics = event.report.metrics(event.fold)
                trial.write([Point(metrics, event.report.epoch, now_ms())])
                executor.answer(spec.number, None, event.fold)
            elif isinstance(event, FoldEnded):
                trial.write([Point(event.fold.metrics(), event.fold.fold, now_ms())])
                executor.answer(spec.number, None, event.fold.fold)


def mark(
    store: Store,
    run: SweepRun,
    crowned: Crowned,
    baseline: TrialRecord,
    sweep: Sweep,
    beats: str,
) -> None:
    """Write on the sweep's run and on the registered version how its best trial compares."""
    tags = {
        "mineralsweep.baseline": str(baseline.interval()),
        "mineralsweep.beats_baseline": beats,
    }
    run.tag(tags)
    for name, value in tags.items():
        store.client.set_model_version_tag(sweep.gate.model, crowned.version, name, value)
