"""A sweep and a single training, from their settings to what they leave in MLflow."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.config import Choices, Sweep
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.engines import ENGINES
from mineralsweep.engines.engine import Engine, TrialRecord
from mineralsweep.errors import ConfigError, RunError, WeightsUnavailable
from mineralsweep.evaluation import Scores, score
from mineralsweep.executors import EXECUTORS, Epoch, Executor, Failed
from mineralsweep.models import get as get_architecture
from mineralsweep.models import weights as pretrained
from mineralsweep.space import describe

if TYPE_CHECKING:
    import pandas as pd

    from mineralsweep.registry import Crowned
    from mineralsweep.study import Listener
    from mineralsweep.tracking import Store, SweepRun
    from mineralsweep.training.spec import TrialSpec

STATE_FOLDER = Path(".mineralsweep")
Say = Callable[[str], None]


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep found, and where it stands. `minutes` is the wall time of this session."""

    study: str
    store: Store
    run_id: str
    records: list[TrialRecord]
    table: pd.DataFrame
    crowned: Crowned
    minutes: float


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


def run_sweep(
    sweep: Sweep, config: Path, study: str | None, storage: str | None, listener: Listener, say: Say
) -> SweepOutcome:
    """Run a sweep, or take one up, to a registered champion.

    Nothing is written to MLflow before the data, the weights and the study's name are in order.

    Args:
        sweep: the question, with the flags laid over it.
        config: its file, kept with the run.
        study: a name, to take the study up later or now; None makes one up.
        storage: a database URL for the engine; None: a journal in .mineralsweep/.
        listener: is told of the trials.
        say: is told of the rest, a line at a time.

    Raises:
        InputError: the data, the weights or the study can't be used; nothing was run.
        SweepFailed: no trial could be completed, or several failed in a row.
        KeyboardInterrupt: the user stopped it; runs are ended, and the study can be taken up.
    """
    started = time.monotonic()
    name = study or f"{config.stem}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = study_folder(name)
    check_storage(storage)
    dataset = open_sweep_data(sweep, say)
    sweep, left_out = leave_out_unavailable(sweep)
    for reason in left_out:
        say(f"Left out: {reason}")
    engine = ENGINES[sweep.engine.name](sweep, name, folder, storage, fingerprint(sweep, dataset))
    executor = EXECUTORS["local"](sweep.workers, folder / "logs")
    try:
        from mineralsweep.study import Study

        store, run = _open_run(engine, name, sweep, dataset, left_out, config)
        listener.study_opened(name, engine.records())
        with _ended_whatever_comes(run):
            trials = folder / "trials"
            records = Study(sweep, dataset, engine, executor, run, trials, listener).run()
            executor.close()
            return _conclude(sweep, dataset, engine, store, run, records, name, left_out, started)
    finally:
        executor.close()


def train_one(sweep: Sweep, experiment: str | None, on_epoch: Listener, say: Say) -> TrainOutcome:
    """Train one model: a sweep's settings whose space holds constants only.

    Raises:
        InputError: the data or the weights can't be used; nothing was run.
        RunError: the training failed; its run says why.
    """
    from mineralsweep.training.spec import specify

    dataset = open_sweep_data(sweep, say)
    architecture = sweep.space.architectures()[0]
    check_weights(architecture, sweep.weights)
    from mineralsweep.study import examples

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
            folder=Path(scratch) / "model",
            examples=examples(dataset, size),
        )
        executor = EXECUTORS["local"](1, Path(scratch))
        try:
            return _train(spec, dataset, executor, experiment, on_epoch)
        finally:
            executor.close()


def study_folder(name: str) -> Path:
    """Return where a study keeps its journal and its workers' logs.

    Raises:
        ConfigError: the name would make a strange path.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigError(
            f"--study: may hold letters, digits, '.', '_' and '-', at most 100, got '{name}'"
        )
    return STATE_FOLDER / "studies" / name


def check_storage(url: str | None) -> None:
    """Raise ConfigError where a storage setting is no database URL at all."""
    if url is not None and not re.match(r"[a-z0-9]+(\+[a-z0-9]+)?://", url):
        raise ConfigError(
            f"--storage: must be a database URL such as sqlite:///studies.db, got '{url}'"
        )


def open_sweep_data(sweep: Sweep, say: Say) -> Dataset:
    """Open a sweep's data set and say what is in it, what was skipped included."""
    data = sweep.data
    dataset = open_dataset(data.source, data.split, data.split_seed, data.classes)
    say(dataset.describe())
    skipped = len(dataset.catalog.rejected)
    if skipped:
        say(f"{skipped} files were skipped; see why: mineralsweep data check {data.source}")
    return dataset


def leave_out_unavailable(sweep: Sweep) -> tuple[Sweep, list[str]]:
    """Drop architectures whose weights can't be had; return the smaller sweep and the reasons.

    Raises:
        WeightsUnavailable: none would be left, or the weights are a path that does not exist.
    """
    kept, reasons = [], []
    for name in sweep.space.architectures():
        try:
            check_weights(name, sweep.weights)
            kept.append(name)
        except WeightsUnavailable as error:
            if len(sweep.space.architectures()) == 1 or sweep.weights != "imagenet":
                raise
            reasons.append(f"{name}: {error}")
    if not reasons:
        return sweep, []
    space = sweep.space.model_copy(update={"architecture": Choices(choices=tuple(kept))})
    return sweep.model_copy(update={"space": space}), reasons


def check_weights(architecture: str, weights: str) -> None:
    """Raise WeightsUnavailable where an architecture needs weights that can't be had."""
    if get_architecture(architecture).pretrained:
        pretrained.resolve(weights)


def fingerprint(sweep: Sweep, dataset: Dataset) -> dict[str, str]:
    """Return what may not change while a study lives, by name."""
    return {
        **{f"space.{name}": describe(entry) for name, entry in sweep.space.entries().items()},
        "objective": sweep.objective,
        "budget.epochs": str(sweep.budget.epochs),
        "budget.patience": str(sweep.budget.patience),
        "image_size": str(sweep.image_size or "auto"),
        "weights": sweep.weights,
        "seed": str(sweep.seed),
        "data": f"{len(dataset.catalog.images)} images, digest {dataset.catalog.digest[:16]}",
        "split": f"{dataset.shares}, digest {dataset.split.digest[:16]}",
    }


def _open_run(
    engine: Engine, name: str, sweep: Sweep, dataset: Dataset, left_out: list[str], config: Path
) -> tuple[Store, SweepRun]:
    from mineralsweep.tracking import SweepRun, open_store

    store = open_store()
    run = SweepRun(store, name, sweep, dataset, engine.notes().get("run_id"))
    engine.set_note("run_id", run.run_id)
    if left_out:
        run.tag({"mineralsweep.left_out": "; ".join(left_out)})
    run.log_file(config)
    return store, run


@contextlib.contextmanager
def _ended_whatever_comes(run: SweepRun) -> Iterator[None]:
    """A run whose driver is alive must not be left RUNNING."""
    try:
        yield
    except KeyboardInterrupt:
        run.end("KILLED")
        raise
    except Exception as error:
        run.describe(f"**Failed.** {error}")
        run.end("FAILED")
        raise


def _conclude(
    sweep: Sweep,
    dataset: Dataset,
    engine: Engine,
    store: Store,
    run: SweepRun,
    records: list[TrialRecord],
    study: str,
    left_out: list[str],
    started: float,
) -> SweepOutcome:
    from mineralsweep import report
    from mineralsweep.study import champion

    best = champion(records, sweep.objective)
    assert best is not None  # the study raises without a complete trial
    table = report.leaderboard(records, sweep)
    run.log_table(table, "leaderboard")
    run.log_text(report.plots_page(engine, study), "plots.html")
    crowned = _crown(engine, store, run, best, dataset, study)
    minutes = (time.monotonic() - started) / 60
    run.describe(report.description(sweep, table, crowned, dataset.describe(), left_out, minutes))
    run.end("FINISHED")
    return SweepOutcome(study, store, run.run_id, records, table, crowned, minutes)


def _crown(
    engine: Engine, store: Store, run: SweepRun, best: TrialRecord, dataset: Dataset, study: str
) -> Crowned:
    """Crown the best trial, unless an earlier session did: the test split stays closed then."""
    from mineralsweep import registry

    noted = engine.notes().get("crowned")
    if noted is not None:
        earlier = registry.Crowned.from_json(noted)
        if earlier.record.number == best.number:
            return earlier
    crowned = registry.crown(store, run, best, dataset, study)
    engine.set_note("crowned", crowned.to_json())
    return crowned


def _train(
    spec: TrialSpec,
    dataset: Dataset,
    executor: Executor,
    experiment: str | None,
    listener: Listener,
) -> TrainOutcome:
    from mineralsweep.tracking import TrialRun, open_store

    executor.submit(spec)
    store = open_store(experiment)
    run_id = store.take_given_run(f"train {spec.architecture}", {"mineralsweep.kind": "training"})
    run = TrialRun(store, run_id, spec, dataset)
    listener.trial_started(spec)
    try:
        while True:
            listener.tick()
            for event in executor.wait(1.0):
                if isinstance(event, Epoch):
                    run.epoch(event.report)
                    executor.answer(spec.number, None)
                    listener.epoch_ended(spec, event.report)
                elif isinstance(event, Failed):
                    run.fail(event.reason, event.log)
                    raise RunError(f"training failed: {event.reason}; see run {run_id}")
                else:
                    result = event.result
                    scores = score(
                        result.probabilities, spec.examples.validation_labels, dataset.classes
                    )
                    reason = result.stop_reason or ""
                    model_id = run.finish(result, scores, "COMPLETE", reason)
                    return TrainOutcome(
                        store, run_id, model_id, spec, scores, result.best_epoch, reason
                    )
    except KeyboardInterrupt:
        run.fail("interrupted")
        raise
