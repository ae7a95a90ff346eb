"""Every kind of model answers in every format as it was trained to; what can't be is refused."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mineralsweep.errors import InputError
from mineralsweep.export import classify, formats
from mineralsweep.export.formats import FORMATS
from mineralsweep.export.whole import check, linear, whole
from mineralsweep.serving import confidence
from mineralsweep.serving.ensemble import Ensemble
from mineralsweep.serving.estimator import TextureClassifier
from mineralsweep.serving.network import Network
from tests.export.models import CLASSES, IMAGES, SIDE, backbone, kinds, network, probe
from tests.pictures import noisy

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:[\\s\\S]*tf.lite.Interpreter is deprecated:UserWarning"),
]

KINDS = kinds()
TEMPERATURE = 1.7
CLOSE = 1e-4
"""By which a probability may differ; float32 is told from float64 by that much in a LiteRT file."""


def expected(model: Any, temperature: float = TEMPERATURE) -> np.ndarray:
    return confidence.with_temperature(model.predict(IMAGES), temperature)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 0.3, TEMPERATURE])
def test_the_whole_model_is_the_trained_one_calibrated(kind: str, temperature: float) -> None:
    graph = whole(KINDS[kind], temperature)
    found = np.asarray(graph(IMAGES, training=False))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(KINDS[kind], temperature), atol=CLOSE)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_written_model_answers_the_same(name: str, kind: str, tmp_path: Path) -> None:
    formats.write(KINDS[kind], TEMPERATURE, name, tmp_path, {"model": "models:/m/1"})
    answer = classify.load(tmp_path)
    np.testing.assert_allclose(answer(IMAGES), expected(KINDS[kind]), atol=CLOSE)
    np.testing.assert_allclose(answer(IMAGES[:1]), answer(IMAGES)[:1], atol=CLOSE)
    labels = json.loads((tmp_path / "labels.json").read_text())
    assert labels["classes"] == list(CLASSES)
    assert labels["image_size"] == [SIDE, SIDE]
    assert labels["temperature"] == TEMPERATURE
    assert labels["model"] == "models:/m/1"


def test_an_onnx_file_has_one_input_and_one_output(tmp_path: Path) -> None:
    import onnxruntime

    formats.write(network(), 1.0, "onnx", tmp_path, {})
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    [taken], [given] = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("image", "tensor(uint8)", [SIDE, SIDE, 3])
    assert (given.name, given.type, given.shape[1:]) == ("probabilities", "tensor(float)", [3])


def test_the_script_needs_no_more_than_the_folder(tmp_path: Path) -> None:
    """It runs where this package and TensorFlow are not to be had."""
    formats.write(network(), TEMPERATURE, "onnx", tmp_path / ".", {})
    photo = tmp_path / "stone.png"
    noisy((200, 60, 40), 1).save(photo)
    blocked = (
        "import sys, runpy; [sys.modules.__setitem__(name, None) for name in"
        " ('mineralsweep', 'tensorflow', 'keras')]; sys.argv = sys.argv[1:];"
        " runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked, str(tmp_path / "classify.py"), str(photo)],
        capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    image = classify.pixels(photo, SIDE, SIDE)[None]
    [shares] = confidence.with_temperature(network().predict(image), TEMPERATURE)
    name, label, share = done.stdout.split()
    assert (name, label) == (f"{photo}:", CLASSES[shares.argmax()])
    assert float(share) == pytest.approx(shares.max(), abs=1e-3)


def test_the_script_reads_images_as_training_does(tmp_path: Path) -> None:
    from mineralsweep.data.decode import decode

    exif = Image.Exif()
    exif[0x0112] = 6
    picture = noisy((200, 60, 40), 1, (200, 300))
    picture.save(tmp_path / "turned.jpg", exif=exif)
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "cut.png")
    picture.convert("L").save(tmp_path / "grey.png")
    module = runpy.run_path(classify.__file__)
    for path in tmp_path.iterdir():
        seen = decode(path.read_bytes(), (SIDE, SIDE))
        np.testing.assert_array_equal(module["pixels"](path, SIDE, SIDE), seen)


def test_a_keras_file_needs_no_code_of_ours(tmp_path: Path) -> None:
    formats.write(KINDS["a probe of covariances"], 1.0, "keras", tmp_path, {})
    code = (
        "import sys; sys.modules['mineralsweep'] = None; import keras;"
        f"print(keras.saving.load_model({str(tmp_path / 'model.keras')!r}).count_params())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert int(done.stdout) > 0


def test_two_classes_are_a_softmax_too() -> None:
    """scikit-learn keeps one row of weights for two classes."""
    member = probe(False, (0, 2)).members[0]
    kernel, bias = linear(member, 3)
    numbers = member.numbers(probe(False).prepare(IMAGES)[0])
    logits = numbers @ kernel + bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, member.answer(numbers, 3), atol=1e-4)
    assert (shares[:, 1] == 0).all()


def test_probes_on_one_backbone_ask_it_once() -> None:
    trunk = backbone(3)
    alone, both = (
        whole(Ensemble(members, CLASSES), 1.0)
        for members in ((probe(False, trunk=trunk),), (probe(False, trunk=trunk),) * 2)
    )
    names = [[layer.name for layer in one.layers if "part" in layer.name] for one in (alone, both)]
    assert names == [["part0"], ["part0"]]


def texture() -> TextureClassifier:
    return TextureClassifier(None, CLASSES, (SIDE, SIDE), "whole")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (texture(), "model: hand-crafted colour and texture"),
        (Ensemble((network(), texture()), CLASSES), "member 2 of 2: hand-crafted"),
        (
            Ensemble((Ensemble((texture(),) * 2, CLASSES), network()), CLASSES),
            "member 1 of 2: hand-crafted",
        ),
        (
            probe(False, classifier=make_pipeline(StandardScaler(), SVC())),
            "classifier of fine is a SVC",
        ),
        (probe(False, classifier=LogisticRegression()), "classifier of fine is a Logistic"),
    ],
)
def test_what_has_no_graph_is_refused_by_its_name(model: Any, told: str) -> None:
    with pytest.raises(InputError, match=f"{told}.*--format docker"):
        check(model)
    with pytest.raises(InputError, match=told):
        whole(model, 1.0)


@keras.saving.register_keras_serializable("tests")
class Sorted(keras.layers.Layer):
    """A layer of a user's own, of an operation of TensorFlow that no other format has."""

    def call(self, inputs: Any) -> Any:
        import tensorflow as tf

        return tf.nn.softmax(tf.linalg.logdet(inputs[..., None] * inputs[:, None] + tf.eye(3))
                             [:, None] + inputs)  # fmt: skip


def own() -> Network:
    inputs = keras.Input((SIDE, SIDE, 3))
    x = Sorted()(keras.layers.GlobalAveragePooling2D()(inputs / 255.0))
    return Network(keras.Model(inputs, x), CLASSES)


@pytest.mark.parametrize("name", FORMATS)
def test_a_layer_that_a_format_has_not_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Sorted"):
        formats.write(own(), 1.0, name, tmp_path, {})
