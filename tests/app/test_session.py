"""Opening a study: what is refused, what is kept, and what is chosen anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.app.session import Request, opened
from mineralsweep.app.train import train
from mineralsweep.config import Sweep, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.errors import ConfigError, StudyConflict, WeightsUnavailable
from mineralsweep.executors import EXECUTORS
from mineralsweep.search.state import State, folder_of, home
from mineralsweep.tracking import open_store
from tests.fakes import FakeExecutor, Watcher

pytestmark = pytest.mark.usefixtures("store_made")


class Bench:
    """Studies on one folder of pictures, with an executor that trains nothing."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.executor = FakeExecutor()
        self.lines: list[str] = []
        self.workers: list[int] = []
        self._folder = folder

        def local(workers: int, *_: Any) -> FakeExecutor:
            self.workers.append(workers)
            return self.executor

        monkeypatch.setitem(EXECUTORS, "local", local)  # type: ignore[arg-type]

    def sweep(self, **changes: Any) -> Sweep:
        raw = {
            "question": "Is it opened?",
            "data": {"source": str(self._folder), "split": "60/20/20"},
            "image_size": 96,
            "space": {
                "architecture": ["model2", "vgg16"],
                "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
                "unfrozen": [0, 4],
            },
            "budget": {"trials": 2, "epochs": 2},
            "baseline": "none",
        }
        return build({**raw, **changes}, "test")

    def run(self, request: Request) -> list[TrialRecord]:
        self.executor = FakeExecutor()
        with opened(request, Watcher(), self.lines.append) as session:
            return session.study().run()


@pytest.fixture
def bench(make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("mineralsweep.models.weights._download", lambda *_: None)
    return Bench(make_folder(), monkeypatch)


def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have VGG16's weights found from now on."""
    monkeypatch.setattr("mineralsweep.app.checks.pretrained.resolve", lambda *_: None)


def test_begun_without_weights_a_study_goes_on_without_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run(Request("sweep", bench.sweep(), "s"))
    state = State.read("s")
    assert list(state.left_out) == ["vgg16"]
    assert state.settings().space.architectures() == ("model2", "vgg16")  # as it was asked
    there(monkeypatch)
    again = Request.again("s", [])
    assert [record.number for record in bench.run(again)] == [0, 1]
    assert bench.executor.specs == []


@pytest.mark.slow
def test_keras_tuner_takes_a_space_that_lost_an_architecture(bench: Bench) -> None:
    engine = {"name": "keras-tuner", "sampler": "random"}
    records = bench.run(Request("sweep", bench.sweep(engine=engine), "s"))
    assert {record.params["architecture"] for record in records} == {"model2"}


def test_weights_that_are_gone_are_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as inner:
        there(inner)
        bench.run(Request("sweep", bench.sweep(), "s"))
    with pytest.raises(WeightsUnavailable, match="neither cached nor reachable"):
        bench.run(Request.again("s", []))


def test_a_training_that_is_resumed_ends_finished(bench: Bench) -> None:
    sweep = bench.sweep(space={"architecture": "model2"}, budget={"trials": 1, "epochs": 1})
    for request in (Request("training", sweep, "one"), Request.again):
        bench.executor = FakeExecutor()
        asked = request if isinstance(request, Request) else request("one", [])
        outcome = train(asked, Watcher(), bench.lines.append)
        run = outcome.store.client.get_run(str(outcome.record.run_id))
        assert run.info.status == "FINISHED"
    assert bench.executor.specs == []  # it was there already


def test_a_resumed_study_remembers_what_it_was_to_learn_from(bench: Bench) -> None:
    bench.run(Request("sweep", bench.sweep(), "old"))
    bench.run(Request("sweep", bench.sweep(), "new", warm_start="old"))
    assert Request.again("new", []).warm_start == "old"
    bench.run(Request.again("new", []))
    assert State.read("new").learned.startswith("old: ")
    with pytest.raises(ConfigError, match="no study 'odd'"):
        bench.run(Request("sweep", bench.sweep(), "newer", warm_start="odd"))


def test_workers_suit_the_machine_and_the_budget_of_each_session(bench: Bench) -> None:
    bench.run(Request("sweep", bench.sweep(budget={"trials": 1, "epochs": 1}), "s"))
    bench.run(Request("sweep", bench.sweep(budget={"trials": 9, "epochs": 1}), "s"))
    assert bench.workers[0] == 1
    assert bench.workers[1] >= bench.workers[0]
    assert State.read("s").settings().workers is None


def test_a_study_whose_folder_is_elsewhere_is_not_run_twice(bench: Bench) -> None:
    bench.run(Request("sweep", bench.sweep(), "s"))
    shutil.move(home(), "elsewhere")
    with pytest.raises(StudyConflict, match=r"'s' exists in sqlite.*MINERALSWEEP_HOME.*--study"):
        bench.run(Request("sweep", bench.sweep(), "s"))
    assert bench.executor.specs == []


def test_a_study_whose_search_is_in_a_database_alone_is_not_run_twice(
    bench: Bench, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    bench.run(Request("sweep", bench.sweep(), "s", storage=url))
    again = Request.again("s", [])
    assert again.storage == url
    assert len(bench.run(again)) == 2
    shutil.rmtree(folder_of("s"))
    with pytest.raises(StudyConflict, match=r"'s' exists in sqlite:.*studies\.db"):
        bench.run(Request("sweep", bench.sweep(), "s", storage=url))


def test_a_start_that_was_killed_before_it_noted_its_run_takes_it(bench: Bench) -> None:
    bench.run(Request("sweep", bench.sweep(), "s"))
    state = State.read("s")
    run_id, state.run_id = state.run_id, ""
    state.save()
    bench.run(Request("sweep", bench.sweep(), "s"))
    assert State.read("s").run_id == run_id


def test_a_study_stays_of_its_kind_and_asks_its_question(bench: Bench) -> None:
    bench.run(Request("sweep", bench.sweep(), "s"))
    with pytest.raises(StudyConflict, match="'s' is a sweep, not a training"):
        bench.run(Request("training", bench.sweep(), "s"))
    with pytest.raises(StudyConflict, match="seed: was 0, is 7"):
        bench.run(Request("sweep", bench.sweep(seed=7), "s"))
    with pytest.raises(StudyConflict, match=r"engine\.name: was optuna, is keras-tuner"):
        bench.run(Request("sweep", bench.sweep(engine={"name": "keras-tuner"}), "s"))


def test_another_store_than_the_one_it_began_in_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run(Request("sweep", bench.sweep(), "s"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    with pytest.raises(StudyConflict, match="set MLFLOW_TRACKING_URI to where it began"):
        bench.run(Request.again("s", []))


def test_a_run_is_ended_whatever_comes(bench: Bench) -> None:
    request = Request("sweep", bench.sweep(), "s")
    for error, status in ((KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")):
        with pytest.raises(error), opened(request, Watcher(), bench.lines.append):
            raise error
        run = open_store().client.get_run(State.read("s").run_id)
        assert run.info.status == status


def test_warm_start_names_its_flag_where_the_space_has_changed(bench: Bench) -> None:
    bench.run(Request("sweep", bench.sweep(), "old"))
    space = {"architecture": "model2_1", "learning_rate": {"low": 1e-4, "high": 1e-2}}
    request = Request("sweep", bench.sweep(space=space), "new", warm_start="old")
    with pytest.raises(Exception, match="--warm-start: no complete trial of study 'old' lies in"):
        bench.run(request)
