"""Studies of a project that was moved: refused before anything is written, then found again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mineralsweep.app.relocate import relocate
from mineralsweep.app.session import Request
from mineralsweep.errors import DataError, InputError
from mineralsweep.search.lock import study_locked
from mineralsweep.search.state import State, folder_of
from mineralsweep.tracking import open_store
from tests.app.test_session import Bench, bench

__all__ = ["bench"]
pytestmark = pytest.mark.usefixtures("store_made")


def test_a_study_is_not_begun_nor_resumed_where_its_artifacts_would_go_to_a_folder_that_is_gone(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(Request("sweep", bench.sweep(), "s"))
    gone = tmp_path.parent / f"{tmp_path.name}-before"
    with sqlite3.connect("mlflow.db") as connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ? || '/mlruns/' || experiment_id",
            [str(gone)],
        )
    connection.close()
    runs = open_store().client.search_runs(["1"])
    for study in ("s", "new"):
        with pytest.raises(InputError, match=f"mineralsweep relocate {gone} {tmp_path}"):
            bench.run(Request("sweep", bench.sweep(), study))
    assert not gone.exists()
    assert len(open_store().client.search_runs(["1"])) == len(runs)
    relocate(gone, tmp_path)
    assert len(bench.run(Request.again("s", []))) == 2


def test_paths_in_a_study_follow_where_they_are_only_in_the_new_folder(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (new / "photos", new / "both", old / "both"):
        path.mkdir(parents=True)
    before = {
        "moved": {"source": str(old / "photos")},
        "copied": {"source": str(old / "both")},
        "lost": {"source": str(old / "nowhere")},
        "beside": {"source": f"{old}er/photos"},
        "named": {"source": "sample", "classes": ["ash"]},
    }
    for study, data in before.items():
        State(study, "sweep", {"data": data}).save()
    (folder_of("damaged") / "study.json").parent.mkdir()
    (folder_of("damaged") / "study.json").write_text("{")
    assert relocate(Path("old"), Path("new")).studies == ["moved"]
    after = {study: State.read(study).sweep["data"] for study in before}
    assert after == {**before, "moved": {"source": str(new / "photos")}}
    assert relocate(old, new).studies == []
    with study_locked(folder_of("copied")):  # nothing of it is to be changed: no conflict
        relocate(old, new)


def test_photographs_that_were_moved_alone_are_named_to_resume(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(Request("sweep", bench.sweep(), "s"))
    (tmp_path / "photos").rename(tmp_path / "stones")
    with pytest.raises(DataError, match=r"mineralsweep resume s --set data\.source=PATH"):
        bench.run(Request.again("s", []))
    with pytest.raises(DataError) as new:
        bench.run(Request("sweep", bench.sweep(), "new"))
    assert "resume" not in str(new.value)
