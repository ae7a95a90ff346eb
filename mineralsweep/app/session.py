"""A study, opened: its state, its engine, its run, and the loop that runs its trials."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mineralsweep.app.checks import (
    Say,
    check_own_networks,
    check_store,
    check_weights,
    open_study_data,
    open_sweep_data,
    storage_url,
    suited_to_machine,
    uneven,
    url_of,
    without_weights,
)
from mineralsweep.app.warm_start import learn_from
from mineralsweep.config import Override, Sweep, caveats
from mineralsweep.core.record import BASELINE
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines import ENGINES
from mineralsweep.engines.engine import Engine, Proposal
from mineralsweep.errors import ConfigError, DataError, InputError, StudyConflict, did_you_mean
from mineralsweep.executors import EXECUTORS, Executor, FoldedExecutor, MeasuringExecutor
from mineralsweep.search.lock import study_locked
from mineralsweep.search.state import Kind, State, exists, folder_of, home
from mineralsweep.search.task import Task
from mineralsweep.urls import without_password

if TYPE_CHECKING:
    from mineralsweep.search.listener import Listener
    from mineralsweep.search.study import Study
    from mineralsweep.tracking import Outbox, Store, StudyRun

Points = Callable[[State], Sequence[Proposal]]
"""The trials of a study that searches nothing: one training, or a grid."""


@dataclass(frozen=True)
class Request:
    """A study that the user asks for: a new one, or one to go on with.

    Attributes:
        kind: what is asked for.
        sweep: the settings, with the flags laid over them.
        study: its name; None makes one up.
        config: the sweep file, stored with the run; None without one.
        storage: the URL of a database for the engine; None: a file in the study's folder.
        warm_start: another study, whose trials the search learns from.
        protocol: of a reproduction.
        parent_run_id: of the run that a new study's run belongs to, "" for none.
    """

    kind: Kind
    sweep: Sweep
    study: str | None = None
    config: Path | None = None
    storage: str | None = None
    warm_start: str | None = None
    protocol: dict[str, Any] = field(default_factory=dict)
    parent_run_id: str = ""

    @classmethod
    def again(cls, study: str, overrides: list[Override]) -> Request:
        """Return the request that a study was begun with, flags laid over it.

        Raises:
            ConfigError: there is no such study here.
        """
        state = State.read(study)
        storage = "" if "***" in state.storage else state.storage
        config = Path(state.config) if state.config else None
        return cls(
            state.kind, state.settings(overrides), study, config, storage or None,
            state.warm_start or None, state.protocol,
        )  # fmt: skip

    def name(self) -> str:
        """Return the study's name, made up where none was given."""
        if self.study:
            return self.study
        begin = self.config.stem if self.config else self.kind
        return f"{begin}-{datetime.now():%Y%m%d-%H%M%S}"


@dataclass
class Session:
    """An open study, and all that runs it, keeps it and watches it.

    Attributes:
        state: what the study knows of itself.
        task: makes trials; its sweep lacks what this machine can't train.
        engine: proposes and remembers.
        executor: trains.
        store: where the runs are.
        run: of the study, in `store`.
        outbox: what MLflow does not have yet.
        listener: is told of the trials.
        say: is told of the rest, a line at a time.
        started: when this session began, on the monotonic clock.
    """

    state: State
    task: Task
    engine: Engine
    executor: Executor
    store: Store
    run: StudyRun
    outbox: Outbox
    listener: Listener
    say: Say
    started: float

    @property
    def sweep(self) -> Sweep:
        return self.task.sweep

    @property
    def dataset(self) -> Dataset:
        return self.task.dataset

    def minutes(self) -> float:
        """Return how long this session has been at work."""
        return (time.monotonic() - self.started) / 60

    def study(self) -> Study:
        """Return the loop over all that the budget leaves."""
        from mineralsweep.search.study import Study

        return Study(
            self.task, self.engine, self.executor, self.state, self.outbox, self.run, self.listener
        )


@contextlib.contextmanager
def opened(
    request: Request, listener: Listener, say: Say, points: Points | None = None
) -> Iterator[Session]:
    """Open a study while the block lasts; its run is ended whatever comes.

    Nothing is written to MLflow before the data, the weights and the study's name are in order.

    Args:
        request: what is asked for.
        listener: is told of the trials.
        say: is told of the rest, a line at a time.
        points: the trials of a study that searches nothing; None: the sweep's engine proposes.

    Raises:
        InputError: the data, the weights or the study can't be used; nothing was run.
    """
    started = time.monotonic()
    name = request.name()
    url = storage_url(request.storage)
    if exists(name):
        dataset = open_study_data(name, request.sweep, say)
    else:
        dataset = open_sweep_data(request.sweep, say)
    if request.warm_start and not exists(name):
        State.read(request.warm_start)  # a name that is mistyped begins no study
    with study_locked(folder_of(name), url):
        state, is_new = _state(request, name, url, say)
        task = Task(
            suited_to_machine(state.searched(request.sweep)), dataset.keeping(state.in_test)
        )
        _check(state, task, url, is_new)
        check_own_networks(task.sweep, len(dataset.classes), say)
        for caveat in (*caveats(task.sweep), uneven(task.sweep, dataset)):
            if caveat and request.kind == "sweep":
                say(caveat)
        executor = _executor(task.sweep, state.folder / "logs")
        try:
            # MLflow loads while the workers load TensorFlow.
            store, other = _store(state, is_new, say, request.parent_run_id)
            if is_new and request.kind == "sweep":
                task = _beside_the_champion(state, store, task, say)
            state.sweep = request.sweep.model_dump(mode="json", exclude_unset=True)
            state.warm_start = request.warm_start or ""
            state.save()
            engine = _engine(state, task, url, points)
            if request.warm_start:
                learn_from(request.warm_start, state, engine, task.sweep, say)
            from mineralsweep.search.recovery import recover
            from mineralsweep.tracking import Courier, Outbox

            Courier.wait_for_earlier()
            outbox = Outbox(state.folder / "outbox")
            recover(outbox, engine, state)
            store, run = _run(state, store, task, engine, outbox, other)
            if request.parent_run_id:
                run.tag({"mlflow.parentRunId": request.parent_run_id})
            listener.study_opened(name, engine.records())
            with _ended_whatever_comes(run):
                yield Session(
                    state, task, engine, executor, store, run, outbox, listener, say, started
                )
        finally:
            executor.close()


def _state(request: Request, name: str, url: str | None, say: Say) -> tuple[State, bool]:
    """Return the study's state, and whether it is a new one."""
    if not exists(name):
        left_out = without_weights(request.sweep, say)
        for reason in (f"{one}: {why}" for one, why in left_out.items()):
            say(f"Left out: {reason}")
        shown = "" if url is None else without_password(url)
        config = "" if request.config is None else str(request.config)
        return State(
            name, request.kind, {}, config, shown, left_out=left_out, protocol=request.protocol
        ), True
    state = State.read(name)
    if state.kind != request.kind:
        raise StudyConflict(
            f"study '{name}' is a {state.kind}, not a {request.kind}; take another name:"
            " --study NAME"
        )
    state.protocol = {**state.protocol, **request.protocol}  # what was numbered stays numbered
    searched = state.searched(request.sweep)
    check_weights(searched)
    return state, False


def _beside_the_champion(state: State, store: Store, task: Task, say: Say) -> Task:
    """Say what changed since the champion, and keep its test images in the test part."""
    from mineralsweep import registry

    earlier = registry.learned_before(registry.Versions(store, task.sweep.gate.model))
    if earlier is None:
        return task
    for line in earlier.changes(task.dataset):
        say(line)
    wanted = earlier.kept_in_test(task.dataset)
    if not wanted:
        return task
    try:
        kept = Task(task.sweep, task.dataset.keeping(wanted))
        state.question = kept.question()
    except DataError as error:
        say(f"They can't stay in the test part: {error}")
        return task
    state.in_test = wanted
    say(f"They stay in the test part: {len(wanted)} images; {kept.dataset.describe()}")
    return kept


def _check(state: State, task: Task, url: str | None, is_new: bool) -> None:
    """Hold a study that exists to its question; refuse one whose search is only in a database."""
    question = task.question()
    if not is_new:
        state.check(question, "" if url is None else without_password(url))
        return
    state.question = question
    if url is not None and task.sweep.engine.name == "optuna":
        from mineralsweep.engines.optuna import has_study

        if has_study(state.study, url):
            raise _elsewhere(state.study, without_password(url))


def _store(state: State, is_new: bool, say: Say, parent: str) -> tuple[Store, str]:
    """Open the tracking store; return it with the run that a killed start of this study left.

    Raises:
        StudyConflict: the store has a study of this name that was begun elsewhere, or it is not
            the store in which this one was begun.
        InputError: the folder for its artifacts is not there any more.
    """
    from mineralsweep.tracking import open_store
    from mineralsweep.tracking.locations import check

    store, other = open_store(), ""
    if state.run_id:
        check_store(state, store)
        store = store.where(state.run_id)
    else:
        if parent:
            if not store.has_run(parent):
                raise InputError(
                    f"parent_run_id: {store.shown_uri} has no run {parent}; name one of this store,"
                    " or set MLFLOW_TRACKING_URI to that run's before it begins"
                )
            store = store.where(parent)
        other = store.run_of_study(state.study)
        if other and is_new:
            raise _elsewhere(state.study, f"{store.shown_uri}, run {other}")
    warning = check(store)
    if warning:
        say(f"Careful: {warning}")
    return store, other


def _elsewhere(study: str, where: str) -> StudyConflict:
    return StudyConflict(
        f"study '{study}' exists in {where}, and its folder is not in {home()}: it was begun"
        " elsewhere. To go on with it, set MINERALSWEEP_HOME to the folder where it was begun;"
        " for a new study, take another name: --study NAME"
    )


def storage_of(study: str) -> tuple[Path, str | None]:
    """Return a study's folder, and the URL of its engine's database; None: it lies in the folder.

    Raises:
        ConfigError: there is no such study here.
    """
    state = State.read(study)
    return state.folder, url_of(state)


def engine_of(state: State, task: Task) -> Engine:
    """Open the engine of a sweep that exists."""
    return _engine(state, task, url_of(state), None)


def _engine(state: State, task: Task, url: str | None, points: Points | None) -> Engine:
    if points is None:
        return ENGINES[task.sweep.engine.name](task.sweep, state.study, state.folder, url)
    from mineralsweep.engines.points import PointsEngine

    return PointsEngine(points(state), state.folder)


def _executor(sweep: Sweep, logs: Path) -> Executor:
    faults = sweep.faults
    if sweep.executor not in EXECUTORS:
        hint = did_you_mean(sweep.executor, EXECUTORS)
        raise ConfigError(f"executor: unknown name '{sweep.executor}'{hint}")
    executor = EXECUTORS[sweep.executor](
        sweep.workers or 0, logs, faults.trial_timeout, faults.silence_timeout,
        sweep.resources, sweep.address,
    )  # fmt: skip
    if sweep.folds > 1:
        executor = FoldedExecutor(executor)
    return MeasuringExecutor(executor, logs) if sweep.costs else executor


def _run(
    state: State, store: Store, task: Task, engine: Engine, outbox: Outbox, other: str
) -> tuple[Store, StudyRun]:
    """Make the study's run, or go on with it."""
    from mineralsweep.tracking import StudyRun
    from mineralsweep.tracking.study_run import sweep_params

    store = store.waiting(task.sweep.faults.store_timeout)
    earlier = state.run_id or other
    run = StudyRun(store, state.study, state.kind, task.divided, earlier)
    state.run_id, state.store = run.run_id, store.shown_uri
    state.save()
    if earlier:
        told = {record.number for record in engine.records()}
        if state.baseline is not None:
            told.add(BASELINE)
        run.go_on(told, [entry.card.token for entry in outbox.left()])
    if state.kind == "sweep":
        run.describe_study(sweep_params(task.sweep, task.dataset))
    elif state.kind == "reproduction":
        run.describe_study({f"reproduce.{k}": value for k, value in state.protocol.items()})
    tags = {"mineralsweep.warm_start": state.learned, "mineralsweep.left_out": _left_out(state)}
    run.tag({name: text for name, text in tags.items() if text})
    if state.config and Path(state.config).is_file():
        run.log_file(Path(state.config))
    return store, run


def _left_out(state: State) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in state.left_out.items())


@contextlib.contextmanager
def _ended_whatever_comes(run: StudyRun) -> Iterator[None]:
    """A run whose driver is alive must not be left RUNNING, where MLflow can be told."""
    run = run.asking_once()
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(Exception):
            run.end("KILLED")
        raise
    except Exception as error:
        with contextlib.suppress(Exception):  # MLflow may be what failed: that is told
            run.describe(f"**Failed.** {error}")
            run.end("FAILED")
        raise
