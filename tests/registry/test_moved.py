"""A project that was renamed or copied: its files are absent, not changed, and are found again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.cli.main import main
from mineralsweep.config import Gate
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import InputError
from mineralsweep.registry import Versions, decide, verify
from mineralsweep.registry.candidate import evidence_for
from mineralsweep.registry.versions import DIGEST, FILES
from mineralsweep.tracking import Store, locations, open_store
from tests.registry.test_crowning import Sweeping

Make = Callable[..., Path]
Enter = Callable[[Path], None]


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that goes into a folder, as a new shell does: MLflow sets the variable."""

    def go(folder: Path) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    return go


@pytest.fixture
def fresh(tmp_path: Path, store_made: Path, enter: Enter) -> Path:
    """Return the folder of a project, with a store in which there is nothing."""
    project = tmp_path / "old"
    project.mkdir()
    with sqlite3.connect(store_made.rename(project / "mlflow.db")) as connection:
        # It was made elsewhere: MLflow's own experiment, where the oracles go, is to lie here.
        place = str(project / "mlruns" / "0")
        connection.execute("UPDATE experiments SET artifact_location = ?", [place])
    connection.close()
    enter(project)
    return project


@pytest.fixture
def old(fresh: Path, tmp_path: Path, make_folder: Make) -> Path:
    """Return a project with a champion, version 1, and a refused version 2."""
    data = open_dataset(DataSettings(str(make_folder(20)), "40/20/40", 0))
    sweeping = Sweeping(tmp_path / "models", data)
    sweeping.end(wrong=3)
    sweeping.end(wrong=5)
    return fresh


@pytest.fixture
def new(old: Path, enter: Enter) -> Path:
    """Return the project renamed; the shell stands in it."""
    renamed = old.rename(old.with_name("new"))
    enter(renamed)
    return renamed


def place_of(store: Store, version: str) -> Path:
    """Return where a version's files lie."""
    found = store.client.get_model_version_download_uri("mineral-classifier", version)
    place = locations.path_of(found)
    assert place is not None
    return place


def rows(database: Path) -> set[str]:
    with sqlite3.connect(database) as connection:
        found = set(connection.iterdump())
    connection.close()
    return found


def test_absent_files_are_told_apart_from_changed_ones(old: Path) -> None:
    store = open_store()
    place = place_of(store, "1")
    answers = place / "artifacts" / "answers.json"
    text = answers.read_text()
    answers.write_text(text + " ")
    with pytest.raises(InputError, match="are not those that were registered") as changed:
        verify()
    assert "lacking" not in str(changed.value)  # as many as there were
    answers.unlink()
    count = int(Versions(store).get("1").tags[FILES])
    with pytest.raises(InputError, match=f"{count - 1} of {count} are there") as absent:
        verify()
    assert str(place) in str(absent.value)
    assert "changed" not in str(absent.value)
    answers.write_text(text)
    assert "are those that were registered" in verify()
    shutil.rmtree(place)
    with pytest.raises(InputError, match="no such folder"):
        verify()
    place.mkdir()
    with pytest.raises(InputError, match="the folder is empty"):
        verify()


def test_a_version_of_an_earlier_release_has_no_count_of_its_files(old: Path) -> None:
    store = open_store()
    Versions(store).untag("1", FILES)
    assert DIGEST in Versions(store).get("1").tags
    place = place_of(store, "1")
    (place / "conda.yaml").unlink()
    with pytest.raises(InputError, match="or some are lacking"):
        verify()
    (place / "MLmodel").unlink()
    with pytest.raises(InputError, match="MLmodel is lacking"):
        verify()


def test_in_a_renamed_project_nothing_is_written_to_the_old_place(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"mineralsweep relocate {old} {new}"
    for arguments in (
        ("verify",), ("promote", "2"), ("promote", "2", "--force", "--reason", "ours"), ("doctor",),
    ):  # fmt: skip
        assert main(list(arguments)) in (1, 2)
        printed = capsys.readouterr()
        assert command in printed.out + printed.err, arguments
    assert main(["champion"]) == 0
    said = capsys.readouterr().out
    assert command in said
    assert "never tested" not in said
    with pytest.raises(InputError, match="nothing was written"):
        locations.check(open_store())
    assert not old.exists()
    assert Versions(open_store()).holder("champion") == "1"


def test_relocated_a_project_goes_on_and_only_its_locations_have_changed(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(new / "mlflow.db")
    assert main(["relocate", "../old", "."]) == 0
    assert "registered versions 2" in capsys.readouterr().out
    [backup] = new.glob("mlflow.db.before-*")
    assert rows(backup) == before
    after = rows(new / "mlflow.db")
    assert {row.replace(str(new), str(old)) for row in after} == before
    assert not [row for row in after if str(old) in row and "artifact" in row.lower()]
    assert main(["relocate", str(old), str(new)]) == 0  # a second time
    assert "nothing to relocate" in capsys.readouterr().out
    assert rows(new / "mlflow.db") == after
    assert list(new.glob("mlflow.db.before-*")) == [backup]
    assert locations.check(open_store()) == ""
    assert "are those that were registered" in verify()
    assert main(["promote", "2"]) == 1  # it is compared
    assert "It is not ahead." in capsys.readouterr().out


def test_a_folder_that_lacks_files_is_refused(
    old: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(new / "mlflow.db")
    models = new / "mlruns" / "0" / "models"
    gone = sorted(models.iterdir())[0]
    shutil.rmtree(gone)
    for folder, words in ((new, gone.name), (tmp_path, "lacks files"), (tmp_path / "x", "no such")):
        assert main(["relocate", str(old), str(folder)]) == 2
        assert words in capsys.readouterr().err
    assert rows(new / "mlflow.db") == before
    assert not list(new.glob("mlflow.db.before-*"))
    assert main(["relocate", str(old), str(new), "--force"]) == 0
    assert locations.check(open_store()) == ""


def test_a_database_in_use_is_left_as_it_is(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mineralsweep.tracking.relocation.BUSY_SECONDS", 0.1)
    connection = sqlite3.connect(new / "mlflow.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    assert main(["relocate", str(old), str(new)]) == 2
    assert "nothing was changed" in capsys.readouterr().err
    connection.close()
    assert main(["relocate", str(old), str(new)]) == 0


def test_a_copy_that_names_the_files_of_the_other_is_told(old: Path, enter: Enter) -> None:
    copy = old.with_name("copy")
    shutil.copytree(old, copy)
    assert locations.check(open_store()) == ""
    enter(copy)
    store = open_store()
    assert f"mineralsweep relocate {old} {copy}" in locations.check(store)
    assert f"mineralsweep relocate {old} {copy}" in locations.examine(store)
    (old / "mlflow.db").unlink()  # a folder for artifacts alone, as a user may have it
    assert locations.check(store) == ""
    assert "are those that were registered" in verify()


def test_folders_that_nothing_was_written_to_yet_are_not_missed(fresh: Path, enter: Enter) -> None:
    assert locations.check(open_store()) == ""
    open_store().new_run("killed before it wrote anything", {})
    assert str(fresh / "mlruns") in locations.examine(open_store())
    renamed = fresh.rename(fresh.with_name("renamed"))
    enter(renamed)
    with pytest.raises(InputError, match=f"relocate {fresh} FOLDER"):
        locations.check(open_store())
    assert main(["relocate", str(fresh), "."]) == 0
    assert locations.check(open_store()) == ""


def test_answers_that_are_lost_are_no_answers_that_were_never_given(old: Path) -> None:
    store = open_store()
    versions = Versions(store)
    challenger = versions.evidence("2")
    assert challenger is not None
    place = locations.path_of(store.client.get_run(versions.get("1").run_id).info.artifact_uri)
    assert place is not None
    shutil.rmtree(place)
    decision = decide(versions, "2", challenger, Gate())
    assert (decision.verdict, decision.basis) == ("refused", "not comparable")
    assert str(place) in decision.why
    with pytest.raises(InputError, match="are not in"):
        evidence_for(versions, "1")
