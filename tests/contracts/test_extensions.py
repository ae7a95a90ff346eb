"""What is added from outside the package, each in one place: it is found, searched and recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep import models
from mineralsweep.app.session import Request, opened
from mineralsweep.config import Sweep, build
from mineralsweep.config.engine import KNOWN
from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.core.objective import OBJECTIVES, Objective
from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.listing import Listing
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import SOURCES, folder
from mineralsweep.engines import ENGINES
from mineralsweep.engines.engine import Proposal
from mineralsweep.engines.points import PointsEngine
from mineralsweep.errors import ConfigError
from mineralsweep.executors import EXECUTORS
from mineralsweep.models.architecture import Architecture, probabilities
from mineralsweep.models.trunk import Trunk
from tests import pictures
from tests.fakes import FakeExecutor, Watcher

pytestmark = pytest.mark.usefixtures("store_made")


def network(input_shape: tuple[int, int, int], num_classes: int, toes: int = 3) -> Any:
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(toes, 3)(inputs))
    return keras.Model(inputs, probabilities(num_classes)(x))


TOES = Hyperparameter("toes", "int", "channels of the toy", default=3, low=1, high=9)
TOY = Architecture("toy", builder=network, own=(TOES,), image_size=(32, 32), smallest=8)


class ToyEngine(PointsEngine):
    """Proposes toes from 1 up; the list of `PointsEngine` serves as its memory."""

    def __init__(self, sweep: Sweep, study: str, folder: Path, storage: str | None) -> None:
        points = [Proposal(n, {"architecture": "toy", "toes": n + 1}) for n in range(3)]
        super().__init__(points, folder)


class ToyExecutor(FakeExecutor):
    """Trains nothing; more toes are better."""

    def __init__(self, workers: int, logs: Path, *limits: float | None) -> None:
        super().__init__(lambda spec: float(spec.hyperparameters.get("toes") or 0) / 10, workers)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def drawn() -> Listing:
        return folder.listing(pictures.write_classes(tmp_path / "toys", ("ash", "oak"), 10))

    monkeypatch.setitem(models.ARCHITECTURES, "toy", TOY)
    monkeypatch.setitem(SOURCES, "toys", drawn)
    monkeypatch.setitem(ENGINES, "toy-engine", ToyEngine)
    monkeypatch.setitem(KNOWN, "toy-engine", {})
    monkeypatch.setitem(EXECUTORS, "toy-executor", ToyExecutor)  # type: ignore[arg-type]
    worst = Objective(
        "worst", "maximize", lambda confusion, _: float(objectives.recalls(confusion).min()), "toy"
    )
    monkeypatch.setitem(OBJECTIVES, "worst", worst)


def settings(**changes: Any) -> Sweep:
    raw = {
        "question": "Does it take what is added?",
        "data": {"source": "toys", "split": "60/20/20"},
        "space": {"architecture": "toy", "toes": {"low": 1, "high": 5}},
        "budget": {"trials": 3, "epochs": 2},
        "executor": "toy-executor",
        "baseline": "none",
        **changes,
    }
    return build(raw, "test")


def run(sweep: Sweep) -> list[TrialRecord]:
    with opened(Request("sweep", sweep, "toys"), Watcher(), lambda line: None) as session:
        return session.study().run()


@pytest.mark.usefixtures("toys")
def test_an_architecture_a_source_an_objective_and_an_executor_are_one_object_each() -> None:
    records = run(settings(objective="worst"))
    assert [record.number for record in records] == [0, 1, 2]
    for record in records:
        assert record.params["architecture"] == "toy"
        assert 1 <= int(record.params["toes"]) <= 5
        assert record.value == record.measures["worst"]
        assert set(record.measures) == set(OBJECTIVES)


@pytest.mark.usefixtures("toys")
def test_an_engine_is_one_class() -> None:
    records = run(settings(engine={"name": "toy-engine"}))
    assert [record.params["toes"] for record in records] == [1, 2, 3]


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"executor": "rey"}, "executor: unknown name 'rey'; did you mean 'ray'"),
        ({"engine": {"name": "toy"}}, r"engine\.name: unknown value 'toy'"),
        ({"objective": "wurst"}, "objective: unknown value 'wurst'; did you mean 'worst'"),
        ({"space": {"architecture": "toyy"}}, "unknown name 'toyy'; did you mean 'toy'"),
        ({"space": {"architecture": "toy", "toes": 10}}, "space.toes: must be from 1 to 9"),
    ],
)
def test_what_nobody_added_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(settings(**changes))


# Of Keras' own use of NumPy, where a network is saved.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.slow
@pytest.mark.usefixtures("toys")
def test_a_backbone_is_one_object_whose_trunk_is_run_once_an_image(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """A trunk of two convolutions under a small head, cut where it is frozen."""
    import keras
    from keras import layers

    from mineralsweep.training.run import run_trial
    from tests.examples import trial

    def backbone(shape: tuple[int, int, int], classes: int, **given: Any) -> Any:
        inputs = keras.Input(shape)
        within = keras.Input(shape)
        x = layers.Conv2D(4, 3, activation="relu")(within)
        x = layers.Conv2D(5, 3, activation="relu")(x)
        trunk = keras.Model(within, x, name="trunk")
        for layer in trunk.layers[: 3 - int(given.get("unfrozen", 0))]:
            layer.trainable = False
        x = trunk(layers.Rescaling(1 / 255)(inputs))
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, probabilities(classes)(x))

    def segment(model: Any, start: int | None, stop: int | None) -> Any:
        trunk = model.get_layer("trunk")
        first, last = 2 - (2 if start is None else start), 2 - (stop or 0)
        if start is None:
            inputs = keras.Input(model.input_shape[1:])
            x = layers.Rescaling(1 / 255)(inputs)
        else:  # the activations are kept in bfloat16
            inputs = x = keras.Input(trunk.layers[first].output.shape[1:], dtype="bfloat16")
        for layer in trunk.layers[1 + first : 1 + last]:
            x = layer(x)
        for layer in model.layers[3:] if stop is None else []:
            x = layer(x)
        return keras.Model(inputs, x)

    depth = Hyperparameter("unfrozen", "int", "layers that train", default=0, low=0, high=2)
    trunk = Trunk("unfrozen", lambda _: 2, segment, learning_rate=1e-3)
    models.ARCHITECTURES["toy"] = Architecture(
        "toy", builder=backbone, own=(depth,), trunk=trunk, smallest=8
    )
    dataset = open_dataset(DataSettings(str(make_folder()), "60/20/20", 0))
    result = run_trial(
        trial(dataset, tmp_path / "toy", architecture="toy", unfrozen=1), lambda report: None
    )
    assert result.trainable == 4 * 5 * 9 + 5 + 5 * 3 + 3
    assert np.allclose(result.probabilities.sum(axis=1), 1, atol=1e-5)
