"""A sweep file in KerasTuner users' own notebooks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mineralsweep
from mineralsweep.errors import ConfigError, StudyConflict, SweepFailed

FILE = """
question: Does it build?
image_size: 80
space:
  architecture: [model2, model2_1]
  learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
  dropout: {low: 0.1, high: 0.5}
  batch_size: 4
seed: 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(FILE)
    return path


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, mineralsweep; assert mineralsweep.__version__;"
        "print([m for m in ('tensorflow', 'mlflow', 'keras', 'keras_tuner') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "[]"


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'hypermodle'"):
        mineralsweep.hypermodle  # noqa: B018


@pytest.mark.slow
def test_each_point_is_built_and_compiled_as_the_file_says(file: Path) -> None:
    model = mineralsweep.hypermodel(file, classes=4)
    assert model.image_size == (80, 80)
    hp = model.space()
    assert [one.name for one in hp.space] == ["architecture", "learning_rate", "dropout"]
    hp.values = {"architecture": "model2_1", "learning_rate": 0.002, "dropout": 0.3}
    network = model.build(hp)
    assert network.output_shape == (None, 4)
    assert type(network.optimizer).__name__ == "RMSprop"
    assert float(network.optimizer.learning_rate) == pytest.approx(0.002)
    rates = [layer.rate for layer in network.layers if type(layer).__name__ == "Dropout"]
    assert rates == [0.3]
    hp.values = {"architecture": "model2", "learning_rate": 0.001}
    assert not [one for one in model.build(hp).layers if type(one).__name__ == "Dropout"]


@pytest.mark.slow
def test_the_number_of_classes_may_come_from_the_data(file: Path) -> None:
    network = mineralsweep.hypermodel(file)
    assert network._classes == ("0", "1", "2")


@pytest.mark.slow
def test_a_file_that_is_no_use_here_is_refused(file: Path) -> None:
    file.write_text(FILE.replace("image_size: 80", "").replace("model2_1", "vgg16, model1"))
    with pytest.raises(ConfigError, match="image_size: must be given: the architectures have 2"):
        mineralsweep.hypermodel(file, classes=3)
    file.write_text(FILE.replace("[model2,", "[colour_texture,"))
    with pytest.raises(ConfigError, match=r"space.architecture: colour_texture is no network"):
        mineralsweep.hypermodel(file, classes=3)
    file.write_text(FILE.replace("batch_size: 4", "mixup: {low: 0, high: 0.4}"))
    with pytest.raises(ConfigError, match=r"space.mixup: has no effect on a notebook's own"):
        mineralsweep.hypermodel(file, classes=3)


@pytest.mark.slow
@pytest.mark.usefixtures("store_made")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of h5py
def test_a_notebooks_search_stands_in_mlflow(file: Path, tmp_path: Path) -> None:
    import keras_tuner
    from mlflow import MlflowClient

    model = mineralsweep.hypermodel(file, classes=2)
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective="val_accuracy", max_trials=2, seed=1, hyperparameters=model.space()
    )
    tuner = mineralsweep.MlflowTuner(
        oracle=oracle, hypermodel=model, study="mine", directory=tmp_path, project_name="kt"
    )
    images = np.random.default_rng(0).integers(0, 256, (8, 80, 80, 3)).astype(np.uint8)
    labels = np.array([0, 1] * 4)
    tuner.search(images, labels, validation_data=(images, labels), epochs=2, verbose=0)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    [experiment] = [one for one in client.search_experiments() if one.name == "mineralsweep"]
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in runs if "mineralsweep.trial" not in run.data.tags]
    trials = [run for run in runs if run is not parent]
    assert parent.info.run_name == "mine"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(trials) == 2
    for run in trials:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params["architecture"] in ("model2", "model2_1")
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            history = client.get_metric_history(run.info.run_id, name)
            assert [one.step for one in history] == [1, 2]
        best = max(one.value for one in client.get_metric_history(run.info.run_id, "val_accuracy"))
        assert run.data.metrics["best_val_accuracy"] == pytest.approx(best)


@pytest.mark.slow
@pytest.mark.usefixtures("store_made")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of h5py
def test_hyperbands_epochs_are_honoured_and_a_later_rung_goes_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    import keras_tuner
    from mlflow import MlflowClient

    loaded = []
    real = keras.Model.load_weights

    def load_weights(self: Any, path: Any, *args: Any, **more: Any) -> None:
        loaded.append(Path(path).parent.name)
        real(self, path, *args, **more)

    monkeypatch.setattr(keras.Model, "load_weights", load_weights)
    model = mineralsweep.hypermodel(file, classes=2)
    oracle = keras_tuner.oracles.HyperbandOracle(
        objective="val_accuracy", max_epochs=3, seed=1, hyperparameters=model.space()
    )
    tuner = mineralsweep.MlflowTuner(
        oracle=oracle, hypermodel=model, directory=tmp_path, project_name="kt"
    )
    images = np.random.default_rng(0).integers(0, 256, (8, 80, 80, 3)).astype(np.uint8)
    labels = np.array([0, 1] * 4)
    tuner.search(images, labels, validation_data=(images, labels), epochs=9, verbose=0)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    [experiment] = [one for one in client.search_experiments() if one.name == "mineralsweep"]
    later = 0
    for run in client.search_runs([experiment.experiment_id]):
        if "mineralsweep.trial" not in run.data.tags:
            continue
        first, last = (
            int(run.data.params[f"tuner/{name}"]) for name in ("initial_epoch", "epochs")
        )
        history = client.get_metric_history(run.info.run_id, "val_loss")
        assert [one.step for one in history] == list(range(first + 1, last + 1))
        later += first > 0
    assert later == len(loaded) > 0


@pytest.mark.slow
def test_a_later_rung_has_the_earlier_ones_weights_and_optimizer() -> None:
    import keras

    from mineralsweep.app.notebooks import GoOn

    def made(seed: int) -> Any:
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        return model

    seen: list[Any] = []

    class First(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen[:] = [one.numpy() for one in self.model.optimizer.variables]
            seen.extend(self.model.get_weights())

    earlier, later = made(1), made(2)
    data = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    earlier.fit(*data, epochs=2, verbose=0)
    later.fit(*data, epochs=1, batch_size=4, verbose=0, callbacks=[GoOn(earlier), First()])
    expected = [one.numpy() for one in earlier.optimizer.variables] + earlier.get_weights()
    assert len(seen) == len(expected)
    for value, other in zip(seen, expected, strict=True):
        np.testing.assert_array_equal(value, other)


def search(folder: Path, objective: Any = "val_accuracy", study: str = "mine") -> None:
    """Search two trials of one epoch."""
    import keras
    import keras_tuner

    def build(hp: Any) -> Any:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
        rate = hp.Float("learning_rate", 1e-4, 1e-1)
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
        return model

    oracle = keras_tuner.oracles.RandomSearchOracle(objective=objective, max_trials=2, seed=1)
    tuner = mineralsweep.MlflowTuner(oracle=oracle, hypermodel=build, study=study, directory=folder)
    data = np.ones((4, 3), np.float32), np.array([0, 1, 0, 1])
    tuner.search(*data, validation_data=data, epochs=1, verbose=0)


def runs(folder: Path) -> dict[str, list[str]]:
    """Return the statuses of the runs of each study, its parent's first."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    [experiment] = [one for one in client.search_experiments() if one.name == "mineralsweep"]
    statuses: dict[str, list[str]] = {}
    for run in sorted(
        client.search_runs([experiment.experiment_id]),
        key=lambda run: "mineralsweep.trial" in run.data.tags,
    ):
        statuses.setdefault(run.data.tags["mineralsweep.study"], []).append(run.info.status)
    return statuses


@pytest.mark.slow
@pytest.mark.usefixtures("store_made")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of h5py
def test_a_second_tuner_searches_or_says_that_its_project_is_over(tmp_path: Path) -> None:
    search(tmp_path, study="first")
    search(tmp_path, study="second")
    assert runs(tmp_path) == {"first": ["FINISHED"] * 3, "second": ["FINISHED"] * 3}
    with pytest.raises(StudyConflict, match="study=NAME, or overwrite=True"):
        search(tmp_path, study="second")
    assert len(runs(tmp_path)["second"]) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("store_made")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of h5py
def test_an_objective_that_nothing_measures_ends_the_parent_as_failed(tmp_path: Path) -> None:
    import keras_tuner

    with pytest.raises(SweepFailed, match="val_acuracy"):
        search(tmp_path, keras_tuner.Objective("val_acuracy", "max"))
    assert runs(tmp_path) == {"mine": ["FAILED"] * 3}
