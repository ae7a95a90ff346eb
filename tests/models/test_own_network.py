"""A network of the user's own: found, checked, searched and trained like ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mineralsweep import models
from mineralsweep.app.checks import without_weights
from mineralsweep.config import build
from mineralsweep.core.reference import absolute, readable
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import ArchitectureError, ConfigError
from tests.examples import trial

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NET = """
import keras
from keras import layers
from mineralsweep import Hyperparameter

HYPERPARAMETERS = [
    Hyperparameter("width", "int", "channels", default=8, low=4, high=64, log=True),
    Hyperparameter("rate", "float", "dropped", default=0.25, low=0.0, high=0.9),
]

def build(input_shape, num_classes, width, rate):
    '''A small net.

    Of two layers.'''
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(width, 3, strides=4)(layers.Rescaling(1 / 255)(inputs))
    x = layers.Dropout(rate)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))
"""
PLAIN = NET[: NET.index("HYPERPARAMETERS")] + NET[NET.index("def build") :].replace(
    "width, rate)", "width=8, rate: float = 0, act='relu', flag=True)"
)


def write(text: str = NET, name: str = "my_nets.py") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_function_in_a_file_is_an_architecture() -> None:
    path = write()
    net = models.get("my_nets.py:build")
    assert (net.name, net.kind, net.summary) == ("my_nets.py:build", "network", "A small net.")
    assert net.source == path.absolute()
    assert net.reference == f"{path.absolute()}:build"
    assert models.get(net.reference) == net
    assert net.hyperparameters["width"].high == 64
    assert net.has("learning_rate")
    assert net.defaults() == {"width": 8, "rate": 0.25}
    assert net.build((32, 32, 3), 4, width=5).output_shape == (None, 4)
    with pytest.raises(ArchitectureError, match=r"my_nets\.py:build: width: must be from 4 to 64"):
        net.build((32, 32, 3), 4, width=2)


def test_without_declarations_the_signature_has_them() -> None:
    write(PLAIN)
    net = models.get("my_nets.py:build")
    assert [(one.name, one.kind, one.default) for one in net.own] == [
        ("width", "int", 8), ("rate", "float", 0), ("act", "name", "relu"),
    ]  # fmt: skip
    assert net.build((40, 40, 3), 3, width=3, act="elu").count_params() > 0
    sweep = build(
        {"question": "?", "space": {"architecture": ["./my_nets.py:build", "model2"],
                                    "width": {"low": 2, "high": 500}, "act": ["relu", "elu"]}},
        "x.yaml",
    )  # fmt: skip
    assert sweep.space.distribution("width").high == 500
    assert sweep.space.architectures() == ("my_nets.py:build", "model2")
    assert sweep.size_for("my_nets.py:build") == (128, 128)


def test_an_architecture_object_and_a_package_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    more = (
        "\nfrom mineralsweep import Architecture\n"
        "OWN = tuple(HYPERPARAMETERS)\n"
        "NET = Architecture('mine', builder=build, own=OWN, learning_rate=0.02)\n"
    )
    write(NET + more, "own_package/nets.py")
    monkeypatch.setattr(sys, "path", list(sys.path))
    net = models.get("own_package.nets:NET")
    assert (net.name, net.reference, net.source) == (*["own_package.nets:NET"] * 2, None)
    assert net.hyperparameters["learning_rate"].default == 0.02
    assert net.build((32, 32, 3), 3).output_shape == (None, 3)


def test_a_changed_file_is_read_again() -> None:
    path = write()
    assert models.get("my_nets.py:build").defaults()["width"] == 8
    path.write_text(NET.replace("default=8", "default=9"))
    os.utime(path, ns=(1, 1))
    assert models.get("my_nets.py:build").defaults()["width"] == 9


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        (NET, "my_net.py:build", r"no such file: .*my_net\.py; did you mean '.*my_nets\.py'"),
        (NET, "my_nets.py:biuld", r"has no 'biuld'; did you mean 'build'\?"),
        (NET, "my_nets.py:", "must be FILE.py:FUNCTION"),
        (NET, "nowhere.nets:build", "can't be imported: ModuleNotFoundError: No module named"),
        ("x = 1 / 0\n", "my_nets.py:x", r"ZeroDivisionError: division by zero \(.*my_nets.py:1\)"),
        ("def build(:\n", "my_nets.py:build", r"SyntaxError: .* \(.*my_nets.py:1\)"),
        ("build = 3\n", "my_nets.py:build", "must be a function or an Architecture, got int"),
        ("def build(shape): ...\n", "my_nets.py:build", r"must take \(input_shape, num_classes"),
        ("def build(a, b, c): ...\n", "my_nets.py:build", "parameter 'c' needs a default"),
        (NET.replace(", rate):", "):"), "my_nets.py:build", "has 'rate', which the function does"),
        (
            "HYPERPARAMETERS = [3]\ndef build(a, b, **c): ...\n",
            "my_nets.py:build",
            "must hold Hyperparameter, got 3",
        ),
        (
            "def build(a, b, learning_rate=0.1): ...\n",
            "my_nets.py:build",
            "hyperparameter 'learning_rate' is there already",
        ),
    ],
)
def test_a_bad_reference_is_told_exactly(text: str, reference: str, message: str) -> None:
    write(text)
    with pytest.raises(ArchitectureError, match=message):
        models.get(reference)
    with pytest.raises(ConfigError, match=f"x.yaml: space.architecture: .*{message}"):
        build({"question": "?", "space": {"architecture": reference}}, "x.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return keras.Model(", "return (", "must return a keras.Model, got tuple"),
        ("Dense(num_classes", "Dense(7", r"must answer \(None, 3\), .* answers \(None, 7\)"),
        (', activation="softmax"', "", "must answer probabilities that add up to 1"),
        ("keras.Input(input_shape)", "keras.Input((8, 8, 3))", r"must take \(None, 32, 32, 3\)"),
        ("strides=4", "strides=no", r"can't be built: NameError: .*no.* \(.*my_nets.py:\d+\)"),
    ],
)
def test_what_is_no_such_network_is_told_when_it_is_built(old: str, new: str, message: str) -> None:
    write(NET.replace(old, new))
    with pytest.raises(ArchitectureError, match=message):
        models.get("my_nets.py:build").build((32, 32, 3), 3)


def test_names_are_readable_and_travel_as_absolute_paths(tmp_path: Path) -> None:
    write(name="nets/mine.py")
    reference = absolute("nets/mine.py:build")
    assert reference == f"{tmp_path}/nets/mine.py:build"
    assert readable(reference) == readable("./nets/mine.py:build") == "nets/mine.py:build"
    assert readable("/elsewhere/mine.py:build") == "/elsewhere/mine.py:build"
    assert absolute("package.nets:build") == readable("package.nets:build") == "package.nets:build"
    assert absolute("model2") == readable("model2") == "model2"


@pytest.mark.slow
def test_a_trial_carries_what_another_process_finds(dataset: Dataset, tmp_path: Path) -> None:
    write()
    spec = trial(dataset, tmp_path / "t", architecture="my_nets.py:build", width=5)
    assert spec.architecture == f"{tmp_path}/my_nets.py:build"
    assert spec.params()["architecture"] == "my_nets.py:build"
    assert spec.hyperparameters == {"width": 5, "rate": 0.25}
    code = f"from mineralsweep.models import get; get({spec.architecture!r}).build((32, 32, 3), 3)"
    subprocess.run([sys.executable, "-c", code], cwd="/", check=True, capture_output=True)


def test_a_builder_s_own_backbone_and_head_are_its_own(dataset: Dataset, tmp_path: Path) -> None:
    write(PLAIN.replace("width=8", "width=8, backbone='small', head='fitted'"))
    own = models.get("my_nets.py:build")
    assert not own.pretrained
    space = {"architecture": "my_nets.py:build", "backbone": ["small", "large"]}
    assert without_weights(build({"question": "?", "space": space}, "test")) == {}
    from mineralsweep.training.phases import head_is_fitted

    assert not head_is_fitted(trial(dataset, tmp_path / "m", architecture="my_nets.py:build"))


@pytest.mark.slow
def test_it_trains(dataset: Dataset, tmp_path: Path) -> None:
    from mineralsweep.training.run import run_trial

    write()
    spec = trial(dataset, tmp_path / "t", architecture="my_nets.py:build", batch_size=8)
    result = run_trial(spec, lambda _: None)
    assert len(result.history) == 2
    assert np.isfinite(result.probabilities).all()


def test_importing_the_package_s_own_names_loads_no_tensorflow() -> None:
    code = (
        "import sys, mineralsweep\n"
        "mineralsweep.Hyperparameter, mineralsweep.Architecture\n"
        "assert not {'tensorflow', 'mlflow', 'keras'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
