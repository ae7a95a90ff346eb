"""What a trial leaves behind is the same, whichever process made it."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.models import Model

from mineralsweep.data.dataset import Dataset
from mineralsweep.search.task import examples
from mineralsweep.tracking import End, Entry, Outbox, StudyRun, courier, now_ms, open_store
from mineralsweep.tracking.ahead import Ahead
from mineralsweep.tracking.artifacts import PREDICTIONS, Artifacts, Validated
from mineralsweep.tracking.courier import Delivery
from mineralsweep.training.folds import Predicted
from tests.examples import trial
from tests.fakes import FakeExecutor

pytestmark = pytest.mark.usefixtures("store_made")


@dataclass
class Elsewhere:
    """What makes artifacts ahead: in another process, or in one that died."""

    made: Future[Artifacts] = field(default_factory=Future)

    def begin(self, entry: Entry, validated: Validated) -> Future[Artifacts]:
        return self.made


def whole(dataset: Dataset, folder: Path) -> Entry:
    """Return an entry of the outbox that has its end."""
    spec = trial(dataset, folder / "m", epochs=2)
    entry = Outbox(folder / "outbox").begin(spec, 1)
    executor = FakeExecutor(lambda spec: 2 / 3)
    executor.submit(replace(spec, folder=entry.network))
    while not hasattr(event := executor.wait(1)[0], "result"):
        executor.answer(0, None)
    seen = Predicted(examples(dataset, (80, 80)).validation)
    entry.conclude(End("COMPLETE", "", now_ms(), result=event.result, predicted=seen))
    return entry


def delivered(dataset: Dataset, entry: Entry, ahead: Any) -> dict[str, bytes]:
    """Deliver a whole entry, and return the files of its run and its model but for whose it is."""
    store = open_store()
    delivery = Delivery(StudyRun(store, "s", "sweep", lambda _: dataset), entry, doubt=False)
    delivery.whole = True
    if ahead is not None:
        delivery.begin(ahead)
    delivery.bring()
    assert delivery.done
    assert not entry.folder.exists()
    [run] = store.client.search_runs([store.experiment_id], "tags.`mineralsweep.trial` = '0'")
    run_id, model_id = run.info.run_id, run.data.tags["mineralsweep.model_id"]
    folders = [Path(store.client.download_artifacts(run_id, ""))]
    folders.append(Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}")))
    described = Model.load(str(folders[1]))
    assert (described.model_id, described.run_id) == (model_id, run_id)
    assert described.metadata == {"architecture": entry.card.architecture}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("MLmodel", "registered_model_meta")
    }


def test_artifacts_that_another_process_made_are_those_that_would_be_made_here(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = delivered(dataset, whole(dataset, tmp_path / "a"), None)
    assert {"learning_curves.png", "confusion_matrix.png", PREDICTIONS} <= here.keys()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.setattr(courier, "make", None)  # it is not asked
    ahead = Ahead()
    try:
        assert delivered(dataset, whole(dataset, tmp_path / "b"), ahead) == here
    finally:
        ahead.close()


def test_artifacts_are_made_here_where_the_other_process_died(
    dataset: Dataset, tmp_path: Path
) -> None:
    dead = Elsewhere()
    dead.made.set_exception(BrokenProcessPool("killed"))
    assert "learning_curves.png" in delivered(dataset, whole(dataset, tmp_path), dead)
