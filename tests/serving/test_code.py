"""A saved model carries the code that answers, and no other, and needs no more of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mlflow.models import Model
from sklearn.ensemble import ExtraTreesClassifier

from mineralsweep import descriptors
from mineralsweep.errors import InputError
from mineralsweep.registry.files import open_folder
from mineralsweep.serving import ensemble, estimator, network, pyfunc
from mineralsweep.serving.estimator import TextureClassifier
from tests.pictures import encode, noisy

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CLASSES = ("a", "b", "c")
IMAGE = encode(noisy((220, 30, 30), 1), "JPEG")

ANSWER = """
import importlib.util, json, sys
from pathlib import Path
sys.meta_path[:] = [one for one in sys.meta_path if "editable" not in str(one)]
assert importlib.util.find_spec("mineralsweep") is None
import mlflow.pyfunc, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(pd.DataFrame({"image": [Path(sys.argv[2]).read_bytes()]}))
homes = {Path(module.__file__) for name, module in sys.modules.items()
         if name.partition(".")[0] == "mineralsweep"}
assert homes and all(home.is_relative_to(sys.argv[1]) for home in homes), homes
print(json.dumps(answers["probabilities"][0]))
"""


def a_network(folder: Path) -> Path:
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(x))
    x = keras.layers.Dense(3, activation="softmax")(x)
    network.save(keras.Model(inputs, x), CLASSES, folder, "horizontal")
    return folder


def an_estimator(folder: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(30, descriptors.count())).astype(np.float32)
    fitted = ExtraTreesClassifier(3, random_state=seed).fit(numbers, np.arange(30) % 3)
    estimator.save(TextureClassifier(fitted, CLASSES, (24, 24), "all"), folder)
    return folder


def a_vote(folder: Path) -> Path:
    members = [an_estimator(folder / "one"), a_network(folder / "two")]
    ensemble.combine(members, CLASSES, folder / "both")
    return folder / "both"


OWN = """
import keras
from mineralsweep import Hyperparameter

HYPERPARAMETERS = [Hyperparameter("power", "float", "of each pixel", default=0.5, low=0, high=1)]


@keras.saving.register_keras_serializable("mine")
class Power(keras.layers.Layer):
    def call(self, images):
        return keras.ops.power(keras.ops.cast(images, "float32") / 255, 0.5)


def build(input_shape, num_classes, power):
    inputs = keras.Input(input_shape)
    x = keras.layers.GlobalAveragePooling2D()(Power()(inputs))
    return keras.Model(inputs, keras.layers.Dense(num_classes, activation="softmax")(x))
"""


def a_network_of_the_user_s(folder: Path) -> Path:
    from mineralsweep import models

    file = folder.parent / "my_nets.py"
    file.write_text(OWN)
    net = models.get(f"{file}:build")
    network.save(net.build((24, 24, 3), 3), CLASSES, folder, source=net.source)
    file.unlink()
    return folder


def logged(trained: Path, folder: Path) -> Path:
    pyfunc.save(trained, folder, Model())
    return folder


def answers_elsewhere(folder: Path, scratch: Path) -> dict[str, float]:
    """Ask a model in a process that knows no mineralsweep but the model's own."""
    (scratch / "image.jpg").write_bytes(IMAGE)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ANSWER, str(folder), str(scratch / "image.jpg")],
        capture_output=True, text=True, cwd=scratch, check=False,
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("make", [a_network, an_estimator, a_vote, a_network_of_the_user_s])
def test_a_model_answers_by_the_little_code_that_it_carries(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    from mineralsweep.data.decode import decode

    trained = make(tmp_path / "trained")
    folder = logged(trained, tmp_path / "model")
    carried = [*folder.joinpath("code").rglob("*"), *folder.glob("*.py")]
    assert any(path.is_file() for path in carried)
    assert not [path for path in carried if path.suffix == ".pyc"]
    loaded = network.load(trained)
    expected = loaded.predict(decode(IMAGE, loaded.image_size)[None])[0]
    assert list(answers_elsewhere(folder, tmp_path).values()) == pytest.approx(expected, abs=1e-6)


def test_the_code_is_what_answers_and_nothing_that_searches_or_trains() -> None:
    packages = {file.parts[0] for file in pyfunc.code()}
    top = {"__init__.py", "errors.py", "machine.py", "silence.py"}
    assert packages == {*top, "activations", "core", "data", "descriptors", "serving"}
    assert Path("data/decode.py") in pyfunc.code()


def of_another_release(folder: Path, message: str = "") -> Path:
    """Change the code that a model carries: modules that this release has not, another answer."""
    package = folder / "code" / "mineralsweep"
    (package / "serving").rename(package / "packaging")
    for path in [*package.rglob("*.py"), folder / "classifier.py"]:
        path.write_text(path.read_text().replace("mineralsweep.serving", "mineralsweep.packaging"))
    changed = (package / "packaging" / "network.py").read_text()
    raises = f"    raise UntrustedModel({message!r})\n" if message else ""
    changed = changed.replace("    if ensemble.is_ensemble", f"{raises}    if ensemble.is_ensemble")
    changed = changed.replace(
        "\nNETWORK_FILE", "\nfrom mineralsweep.errors import UntrustedModel\nNETWORK_FILE", 1
    )
    (package / "packaging" / "network.py").write_text(changed)
    return folder


def test_a_model_of_another_release_answers_by_its_own_code(tmp_path: Path) -> None:
    import pandas as pd

    ours = sys.modules["mineralsweep.serving.network"]
    trained = an_estimator(tmp_path / "trained")
    frame = pd.DataFrame({"image": [IMAGE]})
    expected = open_folder(logged(trained, tmp_path / "model")).predict(frame)
    older = open_folder(of_another_release(logged(trained, tmp_path / "older")))
    assert older.predict(frame).equals(expected)
    assert sys.modules["mineralsweep.serving.network"] is ours
    assert "mineralsweep.packaging" not in sys.modules
    refused = of_another_release(logged(trained, tmp_path / "refused"), "it holds another type")
    with pytest.raises(InputError, match="it holds another type"):
        open_folder(refused)
