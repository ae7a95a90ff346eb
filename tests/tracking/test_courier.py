"""The courier: order, errors that pass and that don't, and that nothing waits that need not."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException

from mineralsweep.config import Sweep
from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import StoreAway, StoreRefused
from mineralsweep.tracking import courier as courier_module
from mineralsweep.tracking.client import may_pass, patient
from tests.fakes import FakeExecutor, by_learning_rate
from tests.search.test_study import Scene, settings

pytestmark = pytest.mark.usefixtures("store_made")


def answer(code: str) -> RestException:
    return RestException({"error_code": code, "message": "as the server says"})


def http(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("an artifact", response=response)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (MlflowException("API request to http://x failed with exception refused"), True),
        (answer("INTERNAL_ERROR"), True),
        (answer("TEMPORARILY_UNAVAILABLE"), True),
        (MlflowException("(sqlite3.OperationalError) database is locked"), True),
        (MlflowException("(sqlite3.OperationalError) database or disk is full"), False),
        (answer("RESOURCE_DOES_NOT_EXIST"), False),
        (answer("PERMISSION_DENIED"), False),
        (answer("UNAUTHENTICATED"), False),
        (answer("INVALID_PARAMETER_VALUE"), False),
        (http(503), True),
        (http(429), True),
        (http(403), False),
        (requests.ConnectionError("refused"), True),
        (requests.Timeout("slow"), True),
        (ConnectionResetError(104, "reset"), True),
        (OSError(28, "No space left on device"), False),
        (PermissionError(13, "Permission denied"), False),
        (KeyError("a mistake of ours"), False),
    ],
)
def test_which_errors_may_pass(error: Exception, passes: bool) -> None:
    assert may_pass(error) == passes


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(courier_module, "LONGEST_PAUSE", 0.05)


class Troubled:
    """Stands before MLflow's client: calls fail as a script says, before or after they act."""

    def __init__(self, scene: Scene, trouble: Any) -> None:
        self._client, self._trouble = scene.store.client, trouble
        object.__setattr__(scene.store, "client", self)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)

        def call(*given: Any, **named: Any) -> Any:
            error, when = self._trouble(name) or (None, "")
            if error is not None and when == "before":
                raise error
            answer = real(*given, **named)
            if error is not None:
                raise error
            return answer

        return call


WRITES = (
    "create_run", "log_batch", "log_inputs", "log_artifacts", "create_logged_model",
    "log_outputs", "log_model_artifacts", "finalize_logged_model", "set_terminated",
)  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_write_has_no_answer_each_thing_stands_once(dataset: Dataset, when: str) -> None:
    scene = Scene(dataset, settings(trials=2), FakeExecutor())
    failed: set[str] = set()

    def trouble(name: str) -> Any:
        if name in WRITES and name not in failed:
            failed.add(name)
            return MlflowException("no answer"), when
        return None

    Troubled(scene, trouble)
    records = scene.run.located(scene.study.run())
    assert failed == set(WRITES)
    expect_whole(scene, records)


def expect_whole(scene: Scene, records: list[TrialRecord]) -> None:
    """Each trial has one run, each epoch once, one model."""
    client = scene.store.client
    runs = scene.children()
    assert [run.info.run_id for run in runs] == [record.run_id for record in records]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        for name in ("val_loss", "train_accuracy", "epoch_seconds"):
            steps = [one.step for one in client.get_metric_history(run.info.run_id, name)]
            assert steps == [1, 2, 3]
        summary = client.get_metric_history(run.info.run_id, "best_val_accuracy")
        assert len(summary) == 1
        models = client.search_logged_models(
            [scene.store.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
        )
        assert [model.status for model in models] == ["READY"]
        listed = client.get_run(run.info.run_id).outputs.model_outputs
        assert [one.model_id for one in listed] == [models[0].model_id]
        assert len(client.get_run(run.info.run_id).inputs.dataset_inputs) == 1
    best = client.get_metric_history(scene.run.run_id, "sweep_best_val_accuracy")
    assert [one.step for one in best] == [*range(1, 1 + len(records))]
    assert scene.outbox.left() == []


def test_while_nobody_answers_the_training_goes_on_and_the_listener_hears_of_it(
    dataset: Dataset,
) -> None:
    scene = Scene(dataset, settings(trials=3), FakeExecutor())
    back = threading.Event()

    def trouble(name: str) -> Any:
        return None if back.is_set() else (MlflowException("connection refused"), "before")

    Troubled(scene, trouble)
    ended_while_away = []

    def ended(record: TrialRecord) -> None:
        ended_while_away.append((record.number, back.is_set()))

    def away(what: Any) -> None:
        if what is not None and len(ended_while_away) == 3 and what.writes == 3 * 4:
            assert "s (connection refused); 12 writes wait on disk" in str(what)
            back.set()

    scene.watcher.trial_ended, scene.watcher.store_away = ended, away  # type: ignore[method-assign]
    records = scene.run.located(scene.study.run())
    assert ended_while_away == [(0, False), (1, False), (2, False)]
    expect_whole(scene, records)


def short_of_patience(sweep: Sweep) -> Sweep:
    faults = sweep.faults.model_copy(update={"store_timeout": 0.2})
    return sweep.model_copy(update={"faults": faults})


def test_a_store_that_stays_away_ends_the_sweep_and_the_next_one_delivers(
    dataset: Dataset,
) -> None:
    scene = Scene(dataset, short_of_patience(settings(trials=2)), FakeExecutor())
    client = scene.store.client
    Troubled(scene, lambda name: (MlflowException("connection refused"), "before"))
    with pytest.raises(StoreAway, match="8 writes wait on disk; all results are kept there"):
        scene.study.run()
    assert len(scene.engine.records()) == 2  # told, though MLflow has nothing
    assert (
        client.search_runs([scene.store.experiment_id], "tags.`mineralsweep.kind` = 'trial'") == []
    )
    again = Scene(dataset, settings(trials=2), FakeExecutor())
    records = again.run.located(again.study.run())
    assert again.executor.specs == []  # nothing is trained again
    expect_whole(again, records)


def test_a_refusal_stops_the_sweep_and_loses_nothing(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=4), FakeExecutor())

    def trouble(name: str) -> Any:
        refused = name == "log_model_artifacts"
        return (PermissionError(13, "Permission denied: /models"), "before") if refused else None

    Troubled(scene, trouble)
    with pytest.raises(StoreRefused, match=r"Permission denied: /models.*waits on disk"):
        scene.study.run()
    trained = len(scene.executor.specs)
    again = Scene(dataset, settings(trials=4), FakeExecutor())
    records = again.run.located(again.study.run())
    assert len(again.executor.specs) == 4 - len(scene.engine.records())
    assert trained >= 1
    finished = [run for run in again.children() if run.info.status == "FINISHED"]
    assert [run.info.run_id for run in finished] == [record.run_id for record in records]


def test_a_driver_killed_before_it_told_the_engine_trains_nothing_again(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=3), FakeExecutor(by_learning_rate))

    def die(record: TrialRecord) -> None:
        raise SystemExit  # as a killed process would, between writing and telling

    scene.engine.tell = die  # type: ignore[method-assign]
    scene.study._abandon = lambda reason: None  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        scene.study.run()
    again = Scene(dataset, settings(trials=3), FakeExecutor())
    records = again.run.located(again.study.run())
    assert [spec.number for spec in again.executor.specs] == [1, 2]
    expect_whole(again, records)


class Slow:
    """Stands before a `StudyRun`: its trials' runs take their time to write."""

    def __init__(self, scene: Scene, seconds: float, log: list[Any]) -> None:
        start = scene.run.start_trial

        def start_slowly(card: Any) -> Any:
            trial = start(card)
            write, finish = trial.write, trial.finish

            def write_slowly(points: Any) -> None:
                time.sleep(seconds)
                log.extend(("written", card.number, point.step) for point in points)
                write(points)

            def finish_slowly(*given: Any) -> str:
                time.sleep(seconds)
                log.append(("finished", card.number))
                return finish(*given)

            trial.write, trial.finish = write_slowly, finish_slowly  # type: ignore[method-assign]
            return trial

        scene.run.start_trial = start_slowly  # type: ignore[method-assign]


def test_a_report_is_answered_before_it_is_written(dataset: Dataset) -> None:
    log: list[Any] = []
    scene = Scene(dataset, settings(trials=1), FakeExecutor())
    Slow(scene, 0.2, log)
    scene.watcher.epoch_ended = lambda spec, report, fold: log.append(("answered", report.epoch))  # type: ignore[method-assign]
    scene.study.run()
    assert log[:3] == [("answered", 1), ("answered", 2), ("answered", 3)]
    assert log[3:] == [("written", 0, 1), ("written", 0, 2), ("written", 0, 3), ("finished", 0)]


def test_the_next_trial_starts_before_the_last_one_is_written(dataset: Dataset) -> None:
    log: list[Any] = []
    scene = Scene(dataset, settings(trials=3), FakeExecutor())
    Slow(scene, 0.1, log)
    scene.watcher.trial_started = lambda spec: log.append(("started", spec.number))  # type: ignore[method-assign]
    assert len(scene.study.run()) == 3
    assert log.index(("started", 1)) < log.index(("finished", 0))
    assert log.index(("finished", 0)) < log.index(("finished", 1)) < log.index(("finished", 2))


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["none", "median"])
def test_the_same_trials_are_tried_however_long_writing_takes(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pruner: str
) -> None:
    tried, ended = [], []
    for i, seconds in enumerate((0.0, 0.03)):
        folder = tmp_path / f"run-{i}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        sweep = settings(trials=6)
        engine = sweep.engine.model_copy(update={"pruner": pruner, "startup_trials": 3})
        scene = Scene(dataset, sweep.model_copy(update={"engine": engine}), FakeExecutor())
        Slow(scene, seconds, [])
        records = scene.study.run()
        tried.append([dict(spec.params()) for spec in scene.executor.specs])
        ended.append([(record.state, record.reason) for record in records])
    assert tried[0] == tried[1]
    assert ended[0] == ended[1]


class Away:
    """Stands before MLflow's client: so many calls have no answer."""

    def __init__(self, times: int) -> None:
        self.times, self.calls = times, 0

    def get_run(self, run_id: str) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise answer("TEMPORARILY_UNAVAILABLE")
        return f"run {run_id}"


def test_a_patient_client_waits_an_error_out_that_may_pass() -> None:
    away = Away(2)
    assert patient(away, 30).get_run("1") == "run 1"  # type: ignore[arg-type]
    assert away.calls == 3
    with pytest.raises(RestException):
        patient(Away(9), 0.01).get_run("1")  # type: ignore[arg-type]


def test_mlflow_s_own_retries_are_as_they_were_after_a_study(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    monkeypatch.delenv(name, raising=False)
    seen = []
    scene = Scene(dataset, settings(trials=1), FakeExecutor())
    scene.watcher.trial_started = lambda spec: seen.append(os.environ.get(name))  # type: ignore[method-assign]
    scene.study.run()
    assert seen == ["0"]
    assert name not in os.environ


@dataclass(frozen=True)
class ServersRun:
    """A study's run on a server."""

    is_of_server: bool

    def asking_once(self) -> ServersRun:
        return self


@dataclass(frozen=True)
class Named:
    token: str


@dataclass(frozen=True)
class Slip:
    """An entry of the outbox, as far as its delivery is told."""

    card: Named


class Unhurried:
    """A delivery that takes its time, and sees who else is on its way."""

    under_way: ClassVar[list[str]] = []
    most: ClassVar[int] = 0
    brought: ClassVar[list[str]] = []
    begun: ClassVar[list[str]] = []

    def __init__(self, run: Any, entry: Slip, doubt: bool) -> None:
        self._token = entry.card.token
        self.whole = self.done = False

    def begin(self, ahead: Any) -> None:
        self.begun.append(self._token)

    def bring(self) -> None:
        assert self._token not in self.under_way
        self.under_way.append(self._token)
        type(self).most = max(self.most, len(self.under_way))
        time.sleep(0.2)
        self.under_way.remove(self._token)
        self.brought.append(self._token)


@pytest.mark.parametrize(("is_of_server", "at_once"), [(True, courier_module.AT_ONCE), (False, 1)])
def test_several_are_on_their_way_to_a_server_and_none_of_them_twice(
    monkeypatch: pytest.MonkeyPatch, is_of_server: bool, at_once: int
) -> None:
    monkeypatch.setattr(courier_module, "Delivery", Unhurried)
    monkeypatch.setattr(Unhurried, "most", 0)
    monkeypatch.setattr(Unhurried, "brought", [])
    monkeypatch.setattr(Unhurried, "begun", [])
    monkeypatch.setattr(courier_module, "MANY", 4)
    courier = courier_module.Courier(ServersRun(is_of_server))  # type: ignore[arg-type]
    slips = [Slip(Named(str(place))) for place in range(8)]
    for slip in slips * 3:
        courier.bring(slip, whole=True)  # type: ignore[arg-type]
        time.sleep(0.001)
    while not courier.flush(1):
        pass
    courier.close(1)
    assert Unhurried.most == at_once
    assert set(Unhurried.brought) == {slip.card.token for slip in slips}
    assert Unhurried.begun  # those that wait are made ahead


def test_a_study_waits_for_what_an_earlier_one_has_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courier_module, "Delivery", Unhurried)
    monkeypatch.setattr(Unhurried, "brought", [])
    courier = courier_module.Courier(ServersRun(False))  # type: ignore[arg-type]
    courier.bring(Slip(Named("late")))  # type: ignore[arg-type]
    time.sleep(0.05)
    courier.close()
    assert not Unhurried.brought
    courier_module.Courier.wait_for_earlier()
    assert Unhurried.brought == ["late"]
