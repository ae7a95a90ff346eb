"""A Keras model written as a LiteRT file (.tflite), of LiteRT's built-in operations alone."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.export.whole import INPUT, OUTPUT
from mineralsweep.silence import stderr_silenced

if TYPE_CHECKING:
    import keras


def write(model: keras.Model, target: Path) -> None:
    """Write a model with the signature `image` -> `probabilities`; any number of images at a time.

    Raises:
        Exception: of TensorFlow: the model has what LiteRT's built-in operations have not.
    """
    import keras
    import tensorflow as tf

    height, width = model.input_shape[1:3]
    signature = [tf.TensorSpec((None, height, width, 3), tf.uint8, name=INPUT)]
    archive = keras.export.ExportArchive()
    archive.track(model)
    with (
        tempfile.TemporaryDirectory(prefix="mineralsweep-") as scratch,
        warnings.catch_warnings(action="ignore"),
        stderr_silenced(),
    ):
        archive.add_endpoint(
            "serve", lambda image: {OUTPUT: model(image, training=False)}, signature
        )
        archive.write_out(scratch, verbose=False)
        target.write_bytes(tf.lite.TFLiteConverter.from_saved_model(scratch).convert())
