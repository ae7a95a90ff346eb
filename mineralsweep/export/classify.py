"""Classify image files with the exported model beside this script: python classify.py PHOTO.jpg...

It needs numpy, pillow and what the model runs on: onnxruntime for model.onnx, ai-edge-litert or
tensorflow for model.tflite, keras with tensorflow for model.keras.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps


def pixels(path: Path, height: int, width: int) -> Any:
    """Read an image as the model takes it: uint8 (height, width, 3), RGB in [0, 255]."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    size = width, height
    image = image.convert("RGB").resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(image)


def load(folder: Path) -> Callable[[Any], Any]:
    """Return what answers uint8 (n, height, width, 3) with probabilities, float32 (n, classes)."""
    if (folder / "model.onnx").exists():
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "model.onnx")
        return lambda images: session.run(["probabilities"], {"image": images})[0]
    if (folder / "model.tflite").exists():
        try:
            from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]
        except ImportError:
            from tensorflow.lite.python.interpreter import Interpreter
        run = Interpreter(str(folder / "model.tflite")).get_signature_runner()
        return lambda images: run(image=images)["probabilities"]
    import keras

    model = keras.saving.load_model(folder / "model.keras")
    return lambda images: model.predict_on_batch(images)


if __name__ == "__main__":
    folder = Path(__file__).parent
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    answer = load(folder)
    for name in sys.argv[1:]:
        [shares] = answer(pixels(Path(name), *labels["image_size"])[None])
        best = int(shares.argmax())
        print(f"{name}: {labels['classes'][best]} {shares[best]:.3f}")
