"""What a study knows of itself comes back as it was; damage and other questions are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mineralsweep.config import Override, load
from mineralsweep.errors import ConfigError, StudyConflict
from mineralsweep.search.state import FILE, State, exists, folder_of, home
from tests.contracts.test_project import SWEEPS


def made(file: Path = SWEEPS[0], **more: str) -> State:
    sweep = load(file).model_dump(mode="json", exclude_unset=True)
    state = State("mine", "sweep", sweep, str(file), question={"data": "d1"}, **more)  # type: ignore[arg-type]
    state.save()
    return state


@pytest.mark.parametrize("file", SWEEPS, ids=lambda path: path.stem)
def test_it_comes_back_as_it_was(file: Path) -> None:
    state = made(file)
    state.run_id, state.excluded = "r1", {"3": "blurred"}
    state.save()
    assert State.read("mine") == state
    assert State.read("mine").settings() == load(file)
    longer = state.settings([Override("budget.trials", 999, "--trials")])
    assert longer.budget.trials == 999
    assert longer.space == load(file).space


def test_workers_are_chosen_anew_by_every_session() -> None:
    assert made().settings().workers is None


def test_flags_are_checked() -> None:
    with pytest.raises(ConfigError, match="--trials: must be greater"):
        made().settings([Override("budget.trials", 0, "--trials")])


def test_a_near_name_is_suggested() -> None:
    made()
    with pytest.raises(ConfigError, match=r"did you mean 'mine'\?"):
        State.read("mime")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 99}', '{"version": 1, "a": 2}'])
def test_a_damaged_one_is_refused_with_the_way_out(text: str) -> None:
    path = folder_of("mine") / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"study\.json: can't be read.*--study NAME"):
        State.read("mine")


def test_another_question_or_storage_is_refused() -> None:
    state = made()
    state.check({"data": "d1"}, "")
    with pytest.raises(StudyConflict, match=r"data: was d1, is d2[\s\S]*--study NAME"):
        state.check({"data": "d2"}, "")
    with pytest.raises(StudyConflict, match=r"stored in its folder, not in sqlite:///x\.db"):
        state.check({"data": "d1"}, "sqlite:///x.db")


def test_what_was_left_out_stays_so() -> None:
    state = made(SWEEPS[[path.stem for path in SWEEPS].index("full")])
    state.left_out = {"vgg16": "no weights"}
    searched = state.searched(state.settings())
    assert "vgg16" not in searched.space.architectures()
    assert "unfrozen" not in searched.space.entries()  # nobody has it any more


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 101])
def test_a_study_s_name_is_a_plain_one(name: str) -> None:
    with pytest.raises(ConfigError, match="--study: may hold letters"):
        folder_of(name)


def test_home_is_where_the_command_was_typed_unless_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home() == Path.cwd() / ".mineralsweep"
    monkeypatch.setenv("MINERALSWEEP_HOME", str(tmp_path / "elsewhere"))
    made()
    assert (tmp_path / "elsewhere" / "studies" / "mine" / FILE).exists()
    assert exists("mine")


@pytest.mark.slow
def test_under_mlflow_run_home_is_where_that_was_typed(tmp_path: Path) -> None:
    import subprocess

    typed, project = tmp_path / "typed", tmp_path / "project"
    typed.mkdir()
    project.mkdir()
    (project / "MLproject").write_text(
        "name: where\nentry_points:\n  main:\n    command: "
        f"\"{sys.executable} -c 'from mineralsweep.search.state import home; print(home())'\"\n"
    )
    command = [
        sys.executable, "-m", "mlflow", "run", str(project), "--env-manager", "local",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=typed, capture_output=True, text=True, check=True)
    assert str(typed / ".mineralsweep") in done.stdout
