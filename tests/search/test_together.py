"""A driver that died at an awkward moment: the study is made whole before it is concluded."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from mineralsweep.app.session import Session
from mineralsweep.app.together import make_whole
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.drivers import Alone
from mineralsweep.errors import RunError
from tests.fakes import FakeExecutor, by_learning_rate
from tests.search.test_study import Scene, settings

pytestmark = pytest.mark.usefixtures("store_made")


def session(scene: Scene, dataset: Dataset, sweep: Any, said: list[str]) -> Session:
    return Session(
        "s", sweep, dataset, scene.engine, scene.executor, Alone(), scene.store, scene.run,
        scene.outbox.folder.parent, scene.outbox, (), scene.watcher, said.append,
    )  # fmt: skip


def test_a_study_that_is_whole_is_left_alone(dataset: Dataset) -> None:
    scene = Scene(dataset, settings(trials=2), FakeExecutor())
    scene.study.run()
    said: list[str] = []
    make_whole(session(scene, dataset, settings(trials=2), said))
    assert len(scene.executor.specs) == 2
    assert said == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_trial_that_was_told_and_never_delivered_is_trained_again(
    dataset: Dataset, fails: bool
) -> None:
    sweep = settings(trials=3, timeout=3600)
    first = Scene(dataset, sweep, FakeExecutor(slots=2))
    records = first.study.run()
    # Its driver told the database of trial 1, and died with all else on its own disk.
    [run] = [one for one in first.children() if one.data.tags["mineralsweep.trial"] == "1"]
    first.store.client.update_run(run.info.run_id, status="RUNNING")
    shutil.rmtree(first.outbox.folder)

    later = Scene(dataset, sweep, FakeExecutor(lambda _: "bad luck" if fails else 0.5))
    said: list[str] = []
    if fails:
        with pytest.raises(RunError, match=r"trials 1 have ended, .* could not be trained again"):
            make_whole(session(later, dataset, sweep, said))
    else:
        make_whole(session(later, dataset, sweep, said))
    later.run.end_abandoned()

    assert said == ["Trained again, for MLflow has no whole run of them: trials 1"]
    [spec] = later.executor.specs
    assert (spec.number, spec.learning_rate) == (1, records[1].params["learning_rate"])
    told = later.engine.records()
    assert [one.number for one in told] == [0, 1, 2]
    assert (told[0], told[2]) == (records[0], records[2])
    assert told[1].accuracy == (records[1].accuracy if fails else pytest.approx(0.5, abs=0.1))
    runs = [one for one in later.children() if one.data.tags["mineralsweep.trial"] == "1"]
    assert sorted(one.info.status for one in runs) == ["FAILED", "FAILED" if fails else "FINISHED"]
    assert later.run.undelivered(told) == ([1] if fails else [])
    [located] = [one for one in later.run.located(told) if one.number == 1]
    assert (located.model_id is None) == fails


def test_nothing_new_is_begun_though_the_budget_would_allow_it(dataset: Dataset) -> None:
    Scene(dataset, settings(trials=2), FakeExecutor()).study.run()
    shutil.rmtree("outbox")
    larger = settings(trials=9, epochs=3)
    later = Scene(dataset, larger, FakeExecutor(by_learning_rate))
    for child in later.children():
        later.store.client.delete_run(child.info.run_id)
    make_whole(session(later, dataset, larger, []))
    assert sorted(spec.number for spec in later.executor.specs) == [0, 1]
    assert [record.number for record in later.engine.records()] == [0, 1]
