"""A whole study under each engine: one sweep file, a champion under both."""

from __future__ import annotations

import pytest

from mineralsweep.config import Budget, Engine, Sweep, build
from mineralsweep.core.cost import chosen
from mineralsweep.core.record import champion
from mineralsweep.data.dataset import Dataset
from mineralsweep.engines import ENGINES
from mineralsweep.engines.optuna import copy_of
from tests.fakes import FakeExecutor
from tests.search.test_study import Scene, settings

pytestmark = [pytest.mark.usefixtures("store_made"), pytest.mark.slow]


def sweep(name: str, sampler: str, trials: int) -> Sweep:
    engine = Engine(name=name, sampler=sampler)
    return settings(trials=trials).model_copy(update={"engine": engine})


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_one_file_gives_a_champion_under_both(dataset: Dataset, name: str) -> None:
    records = Scene(dataset, sweep(name, "random", 4), FakeExecutor(slots=2)).study.run()
    assert [record.number for record in records] == [0, 1, 2, 3]
    # The study's own settings come first, whoever asks: model2's, then model2_1's if they fit.
    assert records[0].params == {"architecture": "model2", "learning_rate": 1e-3}
    assert champion(records, "accuracy") is not None
    again = Scene(dataset, sweep(name, "random", 5), FakeExecutor())
    assert [record.number for record in again.study.run()] == [0, 1, 2, 3, 4]


def test_a_study_waits_where_hyperband_waits_and_trains_as_long_as_it_says(
    dataset: Dataset,
) -> None:
    executor = FakeExecutor(slots=3)
    search = Scene(dataset, sweep("keras-tuner", "hyperband", 100), executor).study
    records = search.run()
    assert (
        search.why_it_ended() == f"every combination of the space was tried: {len(records)} trials"
    )
    epochs = [spec.epochs for spec in executor.specs]
    assert set(epochs) == {1, 3}
    assert len(records) == len(epochs) < 20
    assert [record.state for record in records] == ["COMPLETE"] * len(records)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsgaii"])
def test_several_objectives_are_told_to_optuna_and_nothing_is_pruned(
    dataset: Dataset, sampler: str
) -> None:
    """The fake answers slower the better it is: every trial stands on the front."""
    raw = settings(trials=5).model_dump(mode="json", exclude_unset=True)
    del raw["engine"]
    raw |= {"objectives": ["accuracy", "latency_ms", "size_mb"], "engine": {"sampler": sampler}}
    asked = build(raw, "x.yaml")
    records = Scene(dataset, asked, FakeExecutor(slots=2, measured=True)).study.run()
    assert [record.state for record in records] == ["COMPLETE"] * 5
    again = Scene(dataset, asked.model_copy(update={"budget": Budget(trials=7, epochs=3)}),
                  FakeExecutor(measured=True))  # fmt: skip
    records = again.study.run()
    study = copy_of("s", again.state.folder, None)
    assert [one.name for one in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    values = [trial.values for trial in study.get_trials()]
    assert values == [[one.value, one.measures["latency_ms"], 2.0] for one in records]
    assert len(values) == 7
    study.add_trial(study.get_trials()[0])
    assert len(copy_of("s", again.state.folder, None).trials) == 7  # a copy is a copy
    slow, fast = (chosen(records, "accuracy", asked.costs, share) for share in (0.0, 1.0))
    assert slow is not None
    assert fast is not None
    assert slow.measures["latency_ms"] >= fast.measures["latency_ms"]
    assert fast.measures["latency_ms"] == min(one.measures["latency_ms"] for one in records)
