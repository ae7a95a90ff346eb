"""A trial that counts no more: excluded by its name, or by deleting its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.app.exclude import exclude
from mineralsweep.app.session import Request, opened
from mineralsweep.app.sweep import counted
from mineralsweep.cli.main import main
from mineralsweep.core.record import BASELINE
from mineralsweep.errors import ConfigError, InputError, StudyConflict
from mineralsweep.search.state import State
from mineralsweep.tracking import open_store
from tests.app.test_session import Bench
from tests.fakes import FakeExecutor, Watcher

pytestmark = pytest.mark.usefixtures("store_made")


@pytest.fixture
def bench(make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("mineralsweep.models.weights._download", lambda *_: None)
    bench = Bench(make_folder(), monkeypatch)
    bench.run(Request("sweep", bench.sweep(budget={"trials": 3, "epochs": 1}), "s"))
    return bench


def those_that_count(bench: Bench) -> list[int]:
    bench.executor = FakeExecutor()
    with opened(Request.again("s", []), Watcher(), bench.lines.append) as session:
        session.study().run()
        assert bench.executor.specs == []  # nothing is trained again
        return [record.number for record in counted(session)]


def test_an_excluded_trial_counts_no_more_and_says_why(bench: Bench) -> None:
    assert those_that_count(bench) == [0, 1, 2]
    exclude("s", "1", "a finger on the lens")
    assert those_that_count(bench) == [0, 2]
    assert "Excluded: trial 1: a finger on the lens" in bench.lines
    state, store = State.read("s"), open_store()
    assert state.excluded == {"1": "a finger on the lens"}
    parent = store.client.get_run(state.run_id)
    assert parent.data.tags["mineralsweep.excluded"] == "trial 1: a finger on the lens"
    [run] = store.client.search_runs([store.experiment_id], "tags.`mineralsweep.trial` = '1'")
    assert run.data.tags["mineralsweep.excluded"] == "a finger on the lens"


def test_a_trial_whose_run_was_deleted_is_excluded_and_not_trained_again(bench: Bench) -> None:
    store = open_store()
    [run] = store.client.search_runs([store.experiment_id], "tags.`mineralsweep.trial` = '2'")
    store.client.delete_run(run.info.run_id)
    assert those_that_count(bench) == [0, 1]
    assert State.read("s").excluded == {"2": "its run was deleted"}


def test_what_can_t_be_excluded_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(kind: type[InputError], message: str, *wanted: str) -> None:
        with pytest.raises(kind, match=message):
            exclude(*wanted)

    refused(ConfigError, "TRIAL: study 's' has no trial 9", "s", "9", "why not")
    refused(ConfigError, "TRIAL: study 's' has no trial baseline", "s", "baseline", "why not")
    refused(ConfigError, "--reason: must say why", "s", "1", " ")
    refused(ConfigError, "STUDY: no study 't'", "t", "1", "why not")
    for kind in ("training", "reproduction"):
        state = State.read("s")
        state.kind = kind  # type: ignore[assignment]
        state.save()
        refused(ConfigError, f"STUDY: study 's' is a {kind}", "s", "0", "blurred")
    state.kind = "sweep"
    state.save()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    refused(StudyConflict, "MLFLOW_TRACKING_URI", "s", "0", "blurred")
    assert State.read("s").excluded == {}


def test_the_command_says_what_to_type_next(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exclude", "s", "0", "--reason", "blurred"]) == 0
    assert "mineralsweep resume s" in capsys.readouterr().out
    assert main(["exclude", "s", "0"]) == 2


def test_the_baseline_can_be_excluded(make_folder: Callable[..., Path], bench: Bench) -> None:
    sweep = bench.sweep(baseline="eligible", budget={"trials": 1, "epochs": 1})
    bench.run(Request("sweep", sweep, "with-baseline"))
    exclude("with-baseline", "baseline", "a network is wanted")
    with opened(Request.again("with-baseline", []), Watcher(), print) as session:
        session.study().run()
        assert BASELINE not in [record.number for record in counted(session)]
