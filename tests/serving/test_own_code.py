"""Layers of the user's own: named, kept beside the network, known when it is loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mineralsweep.errors import ArchitectureError
from mineralsweep.serving import network, own_code
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

NETS = """
import keras
from keras import layers


@keras.saving.register_keras_serializable("mine")
class Scale(layers.Layer):
    def call(self, images):
        return images / 255


class Shift(layers.Layer):
    def call(self, images):
        return images - 0.5


@keras.saving.register_keras_serializable("mine")
def bend(x):
    return x / (1 + abs(x))


def network(first, activation="relu"):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation=activation)(first(inputs))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def plain():
    return network(layers.Rescaling(1 / 255))


def own():
    return network(Scale(), bend)


def nested():
    return network(keras.Sequential([Shift()]))


def anonymous():
    return network(layers.Lambda(lambda images: images / 255))
"""
CLASSES = ("a", "b", "c")


@pytest.fixture
def nets(tmp_path: Path) -> Iterator[ModuleType]:
    """The user's file, imported under a name of its own."""
    path = tmp_path / "my_nets.py"
    path.write_text(NETS)
    spec = util.spec_from_file_location("my_nets", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["my_nets"] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["my_nets"]


def source(nets: ModuleType) -> Path:
    assert nets.__file__ is not None
    return Path(nets.__file__)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        ("plain", []),
        ("own", ["my_nets.Scale", "mine>bend"]),
        ("nested", ["my_nets.Shift"]),
        ("anonymous", ["lambda"]),
    ],
)
def test_what_is_not_keras_own_is_named(nets: Any, make: str, names: list[str]) -> None:
    assert own_code.needs_code(getattr(nets, make)()) == names


LOAD = """
import sys
from pathlib import Path
import numpy as np
from mineralsweep.serving import network
images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
np.save(sys.argv[2], network.load(Path(sys.argv[1])).predict(images))
assert "my_nets" not in sys.modules
"""


@pytest.mark.parametrize("make", ["own", "nested"])
def test_the_file_travels_and_another_process_answers_the_same(
    nets: Any, tmp_path: Path, make: str
) -> None:
    folder, answers = tmp_path / "saved", tmp_path / "answers.npy"
    model = getattr(nets, make)()
    network.save(model, CLASSES, folder, source=source(nets))
    assert (folder / own_code.FILE).read_text() == NETS
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), str(answers)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    np.testing.assert_allclose(np.load(answers), model(images), atol=1e-6)


def test_a_network_of_keras_own_layers_keeps_no_code(nets: Any, tmp_path: Path) -> None:
    network.save(nets.plain(), CLASSES, tmp_path / "saved", source=source(nets))
    assert not (tmp_path / "saved" / own_code.FILE).exists()
    network.load(tmp_path / "saved")


def test_a_lambda_is_refused_and_a_class_is_the_remedy(nets: Any, tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match="register_keras_serializable"):
        network.save(nets.anonymous(), CLASSES, tmp_path / "saved", source=source(nets))


def test_a_layer_outside_of_the_file_is_refused(nets: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("")
    for file in (None, other):
        with pytest.raises(ArchitectureError, match=r"my_nets\.Scale.*one file of code"):
            network.save(nets.own(), CLASSES, tmp_path / "saved", source=file)


def test_a_file_that_needs_more_of_the_package_than_a_model_carries_is_refused(
    nets: Any, tmp_path: Path
) -> None:
    with source(nets).open("a") as file:
        file.write("from mineralsweep import Architecture, Hyperparameter\n")
    with pytest.raises(ArchitectureError, match=r"imports mineralsweep\.Architecture, which"):
        network.save(nets.own(), CLASSES, tmp_path / "saved", source=source(nets))
    network.save(nets.plain(), CLASSES, tmp_path / "plain", source=source(nets))


def test_a_file_that_lacks_a_library_says_so(nets: Any, tmp_path: Path) -> None:
    network.save(nets.own(), CLASSES, tmp_path / "saved", source=source(nets))
    (tmp_path / "saved" / own_code.FILE).write_text("import no_such_library")
    with pytest.raises(ArchitectureError, match="no_such_library"):
        network.load(tmp_path / "saved")
