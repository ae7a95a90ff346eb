"""The formats that a whole model is written in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mineralsweep.errors import InputError
from mineralsweep.export import classify, litert, onnx
from mineralsweep.export.whole import OUTPUT, whole
from mineralsweep.serving import ensemble, own_code
from mineralsweep.serving.ensemble import Classifier
from mineralsweep.serving.network import Network

if TYPE_CHECKING:
    import keras

LABELS_FILE = "labels.json"


@dataclass(frozen=True)
class Format:
    """A way to write a whole model.

    Attributes:
        file: that it is written to.
        runtime: the package that runs it, beside pillow and numpy.
        write: called with the model and the file; raises whatever the converter raises.
    """

    file: str
    runtime: str
    write: Callable[[keras.Model, Path], None]


def _as_onnx(model: keras.Model, target: Path) -> None:
    import onnxruntime

    height, width = model.input_shape[1:3]
    onnx.write(lambda image: {OUTPUT: model(image, training=False)}, (height, width), target)
    onnxruntime.InferenceSession(target)  # tf2onnx leaves in what ONNX has not


def _as_keras(model: keras.Model, target: Path) -> None:
    model.save(target)


FORMATS = {
    "onnx": Format("model.onnx", "onnxruntime", _as_onnx),
    "litert": Format("model.tflite", "ai-edge-litert", litert.write),
    "keras": Format("model.keras", "keras tensorflow", _as_keras),
}


def write(
    model: Classifier, temperature: float, name: str, folder: Path, told: dict[str, Any]
) -> None:
    """Write a trained model in a format, with its labels and a script that uses it.

    Args:
        model: as it was trained, not compiled.
        temperature: of its probabilities.
        name: of FORMATS.
        folder: is there; takes the files.
        told: of the model, for `labels.json`.

    Raises:
        InputError: the format has not what the model consists of; the message names the part.
    """
    chosen = FORMATS[name]
    graph = whole(model, temperature)
    own = {name for one in _networks(model) for name in own_code.needs_code(one.model)}
    if name == "keras" and own:
        raise InputError(
            f"model: its network has {', '.join(sorted(own))}, which Keras has not; --format onnx"
            " takes layers made of TensorFlow's operations, --format docker every model"
        )
    try:
        chosen.write(graph, folder / chosen.file)
    except Exception as error:  # a converter's: whatever it raises, it is about this model
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"[:300]
        parts = f"its network has {', '.join(sorted(own))}, which" if own else "it"
        raise InputError(
            f"model: {parts} can't be written as {chosen.file}: {reason}; --format docker takes"
            " every model"
        ) from error
    labels = {
        "classes": list(model.classes),
        "image_size": list(model.image_size),
        "image_size_means": "height, width in pixels",
        "input": "image: uint8 (n, height, width, 3), RGB in [0, 255]; nothing else is to be done",
        "resize": "bilinear with antialiasing, as Pillow's, after the EXIF rotation; the aspect"
        " ratio is not kept",
        "output": "probabilities: float32 (n, classes), calibrated",
        "temperature": temperature,
        "licence": "unknown: that of the training images and of any pretrained weights holds",
        **told,
    }
    text = json.dumps(labels, indent=2, ensure_ascii=False)
    (folder / LABELS_FILE).write_text(text + "\n", encoding="utf-8")
    shutil.copyfile(classify.__file__, folder / "classify.py")


def _networks(model: Classifier) -> list[Network]:
    return [one for one, _ in ensemble.leaves(model) if isinstance(one, Network)]
