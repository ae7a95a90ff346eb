"""What Python code and notebooks use: quiet, under the caller's run, with the command's results."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from PIL import Image

import mineralsweep as ms
from mineralsweep.errors import ConfigError, InputError
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

SETTINGS: dict[str, Any] = {
    "question": "Does the interface do what the command does?",
    "image_size": 80,
    "space": {"architecture": "model2", "learning_rate": {"low": 1e-3, "high": 3e-3, "log": True}},
    "budget": {"trials": 2, "epochs": 1},
    "engine": {"sampler": "random"},
    "workers": 1,
}


@pytest.fixture(autouse=True)
def _mlflow_is_here(tmp_path: Path) -> None:
    """MLflow keeps the address of the store that it was told last, in another test perhaps."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")


def table_of(folder: Path) -> pd.DataFrame:
    """Return the images of a folder as a DataFrame, with its own column names in any order."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    labels = [path.parent.name for path in found]
    return pd.DataFrame({"label": labels, "file": [str(path) for path in found]})


def test_a_sweep_from_python(
    make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_of(make_folder(12))
    with mlflow.start_run(run_name="mine") as mine:
        capsys.readouterr()  # MLflow tells that it makes its tables
        found = ms.sweep(SETTINGS, data=table, study="py", overrides={"budget.trials": 1})
    assert capsys.readouterr() == ("", "")
    client = mlflow.MlflowClient()
    run = client.get_run(found.run_id)
    assert run.data.tags["mlflow.parentRunId"] == mine.info.run_id
    assert run.info.experiment_id == mine.info.experiment_id
    assert client.get_run(mine.info.run_id).info.run_name == "mine"
    assert found.settings.budget.trials == 1
    assert len(found.leaderboard) == 2  # the trial and the baseline
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{found.run_id}'"
    )
    assert found.best.run_id in {child.info.run_id for child in children}
    assert "n = " in found.test
    assert found.decision
    assert isinstance(found.plot_history(), Figure)

    more = ms.resume("py", overrides={"budget.trials": 2})
    assert len(more.leaderboard) == 3
    again = ms.load("py")
    pd.testing.assert_frame_equal(again.leaderboard, more.leaderboard)
    assert again.model_uri == more.model_uri
    _has_pictures(again)
    assert [one.number for one in again.study.get_trials()] == [0, 1]
    assert again.study.best_value == max(one.value for one in again.study.get_trials())
    again.study.add_trial(again.study.get_trials()[0])
    assert len(ms.load("py").study.trials) == 2  # what is written to a copy goes nowhere
    page = again.report()
    assert "<iframe" in page._repr_html_()
    assert Path(page.save("report.html")).read_text(encoding="utf-8") == page.page
    assert again.name in again._repr_html_()

    model = again.champion()
    files = list(table["file"][:2])
    photograph = Image.open(files[0]).convert("RGB")
    turned = photograph.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # to be shown a quarter to the right
    answers = model.predict(
        [files[0], Path(files[1]).read_bytes(), photograph, b"no image", turned,
         photograph.convert("CMYK")]
    )  # fmt: skip
    assert list(answers["image"]) == [files[0], "1", "2", "3", "4", "5"]
    assert list(answers["reason"].astype(bool)) == [False, False, False, True, False, False]
    assert answers["probabilities"][4] == answers["probabilities"][2]
    assert list(model.predict([])["label"]) == []
    assert set(answers["label"][:3]) <= set(model.classes)
    assert answers["probabilities"][0] == answers["probabilities"][2]
    assert len(model.predict(files[0])) == 1
    assert isinstance(model.explain(files[0]), Figure)
    assert "n = " in model.card


def _has_pictures(found: ms.Sweep) -> None:
    for figure in (
        found.plot_slice("learning_rate"), found.plot_recall(), found.plot_costs(),
        found.plot_curves(0, "accuracy"),
    ):  # fmt: skip
        assert isinstance(figure, Figure)
        assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="dropout"):
        found.plot_slice("dropout")
    with pytest.raises(ConfigError, match="latency_ms"):
        found.plot_costs("latency_ms")
    with pytest.raises(ConfigError, match="trial 77"):
        found.plot_curves(77)


def test_a_training_from_python(make_folder: Callable[..., Path]) -> None:
    done = ms.train(
        "model2", learning_rate=2e-3,
        overrides={"image_size": 80, "data.source": str(make_folder(12)), "budget.epochs": 1},
    )  # fmt: skip
    assert done.record.params["learning_rate"] == 2e-3
    client = mlflow.MlflowClient()
    run = client.get_run(done.run_id)
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(done.run_id, "val_loss")) == 1
    assert "mlflow.parentRunId" not in run.data.tags
    answers = done.model().predict(next(make_folder(12).rglob("*.png")))
    assert answers["reason"][0] == ""


def test_the_page_on_python_does_what_it_says(
    make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(12, ("biotite", "bornite", "chrysocolla"))
    Path("mine.yaml").write_text(yaml.safe_dump(SETTINGS | {"data": {"source": "photos"}}))
    names: dict[str, Any] = {}
    text = (ROOT / "docs" / "python.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)  # noqa: S102 - of our own page
    assert len(names["more"].leaderboard) == 4
    assert list(names["answers"]["reason"]) == ["", ""]
    assert Path("report.html").exists()
    assert "n = " in capsys.readouterr().out


def test_what_can_not_be_used_is_an_error_and_runs_nothing(
    make_folder: Callable[..., Path],
) -> None:
    with pytest.raises(ConfigError, match="label"):
        ms.sweep(SETTINGS, data=pd.DataFrame({"file": [], "class": []}))
    with pytest.raises(ConfigError, match="no study 'never'"):
        ms.resume("never")
    with pytest.raises(ConfigError, match="no study 'never'"):
        ms.load("never")
    with pytest.raises(ConfigError, match=r"budget\.trial"):
        ms.sweep(SETTINGS, overrides={"budget.trial": 3})
    with pytest.raises(InputError, match="no run 0123"):
        ms.sweep(SETTINGS, data=make_folder(12), parent_run_id="0123")
    with pytest.raises(ConfigError, match="unfrozen"):
        ms.train("model2", unfrozen=3)
