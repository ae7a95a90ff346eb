"""What is refused before anything is run."""

from __future__ import annotations

from typing import Any

import pytest

from mineralsweep import machine
from mineralsweep.app.checks import storage_url, suited_to_machine
from mineralsweep.config import build
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import ConfigError
from mineralsweep.search.task import Task


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("x", "must be a database URL"),
        ("postgresql://me:secret@host/db", r"postgresql://me:\*\*\*@host/db holds a password"),
        ("postgresql://host/db?user=me&password=secret", r"password=\*\*\* holds a password"),
        ("sqlite:///mlflow.db", "is MLflow's database"),
    ],
)
def test_a_storage_that_cannot_be_the_engine_s_own_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        storage_url(url)
    assert "secret" not in str(caught.value)


def test_a_storage_with_a_password_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert storage_url(None) is None
    monkeypatch.setenv("MINERALSWEEP_STORAGE", "postgresql://me:secret@host/db")
    assert storage_url(None) == "postgresql://me:secret@host/db"


def test_the_machine_decides_how_many_workers_unless_the_file_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "workers", lambda: 6)
    plain = {"question": "a", "space": {"architecture": "model2"}, "image_size": 96}
    found = suited_to_machine(build({**plain, "budget": {"trials": 20}}, "x"))
    assert found.workers == 6
    assert suited_to_machine(build({**plain, "workers": 2}, "x")).workers == 2
    few = build({**plain, "budget": {"trials": 4}}, "x")
    assert suited_to_machine(few).workers == 4  # never more than there are trials


def test_a_password_that_mlflow_run_has_written_already_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    with pytest.raises(ConfigError, match="stands in run abc already: delete that run"):
        storage_url("postgresql://me:secret@host/db")


def test_an_oracles_study_is_kept_from_another_oracle(dataset: Dataset) -> None:
    """Its state on disk has the oracle's own form."""

    def known(**engine: Any) -> dict[str, str]:
        raw = {"question": "q", "space": {"architecture": "model2"}, "engine": engine}
        return Task(build(raw, "x.yaml"), dataset).question()

    random = known(name="keras-tuner", sampler="random")
    assert random != known(name="keras-tuner", sampler="hyperband")
    assert known(sampler="random") == known(sampler="tpe")
