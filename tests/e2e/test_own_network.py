"""A network in the user's own file: searched, crowned, and served without that file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.cli.main import main
from mineralsweep.tracking import open_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("store_made"),
]

NETWORK = '''
import keras
from keras import layers

from mineralsweep import Hyperparameter

HYPERPARAMETERS = [Hyperparameter("petals", "int", "channels", default=4, low=2, high=8)]


@keras.saving.register_keras_serializable("mine")
class Brightness(layers.Layer):
    """A layer that Keras does not have."""

    def call(self, images):
        return keras.ops.cast(images, "float32") / 255


def build(input_shape, num_classes, petals):
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(petals, 3, activation="relu")(Brightness()(inputs))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))
'''
SWEEP = """
question: How many petals?
data: {{source: {folder}, split: 60/20/20}}
image_size: 40
space: {{architecture: "my_nets.py:build", petals: [2, 8], learning_rate: [1.0e-3]}}
budget: {{trials: 2, epochs: 2}}
engine: {{pruner: none}}
baseline: none
gate: {{find_every_class: false}}
workers: 1
"""
SERVED = """
import json, sys
import mlflow, pandas as pd
from pathlib import Path
model = mlflow.pyfunc.load_model("models:/mineral-classifier@champion")
images = pd.DataFrame({"image": [Path(sys.argv[1]).read_bytes()]})
print(json.dumps(model.predict(images).to_dict("records")))
"""


def test_it_is_searched_crowned_and_served(
    tmp_path: Path, make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder()
    Path("my_nets.py").write_text(NETWORK)
    Path("mine.yaml").write_text(SWEEP.format(folder=folder))
    assert main(["sweep", "mine.yaml", "--study", "own"]) == 0
    printed = capsys.readouterr().out
    # What loading it needs is said before the first trial.
    assert printed.index("Brightness") < printed.index("[1/2] trial")
    assert "my_nets.py:build" in printed
    store = open_store()
    runs = store.client.search_runs([store.experiment_id], "tags.`mineralsweep.kind` = 'trial'")
    assert {run.data.params["petals"] for run in runs} == {"2", "8"}
    champion = store.client.get_model_version_by_alias("mineral-classifier", "champion")
    assert champion.tags["mineralsweep.study"] == "own"

    Path("my_nets.py").unlink()
    image = next((folder / "ash").iterdir())
    served = subprocess.run(
        [sys.executable, "-c", SERVED, str(image)], capture_output=True, text=True, check=True
    )
    [answer] = json.loads(served.stdout.splitlines()[-1])
    assert set(answer["probabilities"]) == {"ash", "beech", "cedar"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
