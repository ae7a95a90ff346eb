"""The served model: what it takes, what it answers, what it refuses."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from PIL import Image

from mineralsweep.data.decode import decode
from mineralsweep.serving import classifier as module
from mineralsweep.serving.classifier import ImageClassifier
from mineralsweep.serving.network import Network
from mineralsweep.serving.served import Served
from tests.pictures import encode, noisy

CLASSES = ("red", "green", "blue")


def by_colour(images: np.ndarray, training: bool) -> np.ndarray:
    assert not training
    means = images.reshape(len(images), -1, 3).mean(axis=1)
    return (means / means.sum(axis=1, keepdims=True)).astype(np.float32)


by_colour.input_shape = (None, 24, 32, 3)  # type: ignore[attr-defined]


@pytest.fixture
def classifier() -> ImageClassifier:
    made = ImageClassifier()
    made.serve(Served(Network(by_colour, CLASSES)))
    return made


def ask(classifier: ImageClassifier, *values: Any) -> pd.DataFrame:
    return classifier.predict(None, pd.DataFrame({"image": list(values)}))  # type: ignore[arg-type]


JPEG = encode(noisy((220, 30, 30), 1), "JPEG")
PNG = encode(Image.new("RGBA", (30, 30), (20, 20, 230, 255)))
GIF = encode(Image.new("RGB", (30, 30), (20, 230, 20)), "GIF")


def test_a_row_an_image(classifier: ImageClassifier) -> None:
    answers = ask(classifier, JPEG, PNG, GIF)
    assert answers.columns.tolist() == ["label", "confidence", "probabilities"]
    assert answers["label"].tolist() == ["red", "blue", "green"]
    for row in answers.itertuples():
        assert row.confidence == max(row.probabilities.values())
        assert list(row.probabilities) == list(CLASSES)
        assert sum(row.probabilities.values()) == pytest.approx(1)


def test_bytes_and_base64_in_any_dress_give_the_same(classifier: ImageClassifier) -> None:
    text = base64.b64encode(JPEG).decode()
    wrapped = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    dresses = [
        JPEG,
        bytearray(JPEG),
        text,
        wrapped,
        text.encode(),
        f"data:image/jpeg;base64,{text}",
        base64.urlsafe_b64encode(JPEG).decode().rstrip("="),
    ]
    answers = ask(classifier, *dresses)
    assert answers["confidence"].nunique() == 1
    assert answers["label"].tolist() == ["red"] * len(dresses)


def test_it_sees_what_training_sees(classifier: ImageClassifier) -> None:
    expected = by_colour(decode(JPEG, (24, 32))[None], training=False)[0]
    assert list(ask(classifier, JPEG)["probabilities"][0].values()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"<html>no</html>", "HTML page"),
        (b"", "empty"),
        (JPEG[:300], "damaged"),
        ("not base64 at all!", "not base64"),
        (base64.b64encode(b"<html></html>").decode(), "HTML page"),
        (7, "must be bytes or base64 text, got int"),
        (None, "must be bytes or base64 text"),
    ],
)
def test_what_is_no_image_is_refused_and_the_row_is_named(
    classifier: ImageClassifier, value: Any, reason: str
) -> None:
    with pytest.raises(MlflowException, match=f"row 1: .*{reason}") as caught:
        ask(classifier, JPEG, value)
    assert caught.value.get_http_status_code() == 400
    assert "row 0" not in str(caught.value)


def test_every_bad_row_is_named(classifier: ImageClassifier) -> None:
    with pytest.raises(MlflowException, match=r"row 0: [\s\S]*row 2: "):
        ask(classifier, b"", JPEG, b"x")


def test_no_rows_give_no_answers(classifier: ImageClassifier) -> None:
    assert len(ask(classifier)) == 0


def test_requests_are_bounded(classifier: ImageClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    with pytest.raises(MlflowException, match="3 rows; at most 2"):
        ask(classifier, JPEG, JPEG, JPEG)
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(MlflowException, match="at most 100 bytes"):
        ask(classifier, base64.b64encode(JPEG).decode())


def test_another_column_is_refused(classifier: ImageClassifier) -> None:
    with pytest.raises(MlflowException, match=r"column 'image' is missing, got \['picture'\]"):
        classifier.predict(None, pd.DataFrame({"picture": [JPEG]}))  # type: ignore[arg-type]


def test_the_decoder_needs_neither_tensorflow_nor_mlflow() -> None:
    code = (
        "import sys, mineralsweep, mineralsweep.models, mineralsweep.config, mineralsweep.app,"
        " mineralsweep.cli.main, mineralsweep.data.decode;"
        " sys.exit(','.join({'tensorflow', 'mlflow', 'keras', 'optuna'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    package = Path(module.__file__).parent.parent
    for path in package.rglob("*.py"):
        text = path.read_text()
        if path.name == "torch_file.py":  # it knows four names, and calls none
            assert "pickle.load" not in text
            assert "find_class" in text
        else:
            assert "import pickle" not in text
        assert "cloudpickle" not in text
        assert "joblib.load" not in text
        if path.name != "work.py":  # processes of its own
            assert "joblib" not in text
        assert "allow_pickle=True" not in text
        assert "safe_mode=False" not in text


def test_names_of_files_are_read_where_that_is_allowed_and_bad_ones_cost_the_others_nothing(
    classifier: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    (tmp_path / "b.txt").write_text("hello")
    with pytest.raises(MlflowException, match="row 0: the text is not base64"):
        ask(classifier, "a.jpg")
    monkeypatch.setenv("MINERALSWEEP_READ_PATHS", "1")
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    answers = ask(classifier, "a.jpg", str(tmp_path / "a.jpg"), "b.txt")
    assert answers["label"].tolist() == ["red", "red", None]
    assert answers["verdict"].tolist() == [None, None, "unusable"]
    assert answers["reason"].tolist()[:2] == ["", ""]
    assert "text" in answers["reason"][2]
