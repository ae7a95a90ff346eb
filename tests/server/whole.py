"""Whether an MLflow server has all of a study, once."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.entities import Run


def runs(url: str, study: str, kind: str) -> list[Run]:
    """Return a study's runs of a kind: "sweep" or "trial"."""
    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("mineralsweep")
    if experiment is None:
        return []
    return list(
        client.search_runs(
            [experiment.experiment_id],
            f"tags.`mineralsweep.study` = '{study}' and tags.`mineralsweep.kind` = '{kind}'",
        )
    )


def check_whole(url: str, study: str, trials: int, epochs: int) -> None:
    """Every trial once, with every epoch once and one model; one parent, one look at the test."""
    client = MlflowClient(url)
    [parent] = runs(url, study, "sweep")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mineralsweep.test_split_openings"] == "1"
    found = runs(url, study, "trial")
    assert not [run for run in found if run.info.status == "RUNNING"]
    finished = [run for run in found if run.info.status == "FINISHED"]
    numbers = sorted(int(run.data.tags["mineralsweep.trial"]) for run in finished)
    assert len(numbers) == trials
    assert len(set(numbers)) == trials
    for run in finished:
        steps = [one.step for one in client.get_metric_history(run.info.run_id, "val_loss")]
        assert sorted(steps) == list(range(1, epochs + 1))
        assert len(run.outputs.model_outputs) == 1
    versions = client.search_model_versions("name = 'mineral-classifier'")
    assert len([one for one in versions if one.tags.get("mineralsweep.study") == study]) == 1
