"""The pyfunc model: one column `image` of encoded images -> one row of answers an image.

MLflow runs this file to load a model ("models from code"): no pickle is read.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from mineralsweep.data.decode import BITS, MAX_BYTES, Pixels, decode
from mineralsweep.data.depth import FULL
from mineralsweep.errors import UnusableImage
from mineralsweep.serving.ensemble import Classifier
from mineralsweep.serving.network import load

COLUMN = "image"
MAX_ROWS = 1024


class ImageClassifier(PythonModel):
    """Decodes with the decoder that training used, so the same bytes give the same answer."""

    _network: Classifier
    _bits: int = FULL

    def load_context(self, context: PythonModelContext) -> None:
        self._network = load(Path(context.artifacts["network"]))
        self._bits = int((context.model_config or {}).get(BITS, FULL))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify images.

        Args:
            model_input: one column `image`; each row the bytes of a JPEG, PNG, GIF, WebP, TIFF
                or BMP file, or the same as base64 text. At most 1,024 rows.

        Returns:
            One row an image: `label`, `confidence` in [0, 1], and `probabilities`, a mapping of
            class names that adds up to 1.

        Raises:
            MlflowException: a row is no image (HTTP 400); the message names each such row.
        """
        if COLUMN not in model_input:
            raise _refused(
                f"column '{COLUMN}' is missing, got {list(map(str, model_input.columns))}"
            )
        if len(model_input) > MAX_ROWS:
            raise _refused(f"{len(model_input)} rows; at most {MAX_ROWS} are taken in one request")
        classes = self._network.classes
        found = self._network.predict(self._decode_all(model_input[COLUMN].tolist()))
        return pd.DataFrame(
            {
                "label": [classes[row.argmax()] for row in found],
                "confidence": [float(row.max()) for row in found],
                "probabilities": [
                    dict(zip(classes, map(float, row), strict=True)) for row in found
                ],
            }
        )

    def _decode_all(self, values: list[Any]) -> Pixels:
        height, width = self._network.image_size
        images = np.zeros((len(values), height, width, 3), np.uint8)
        reasons = []
        for row, value in enumerate(values):
            try:
                images[row] = decode(_content(value), (height, width), self._bits)
            except UnusableImage as error:
                reasons.append(f"row {row}: {error}")
        if reasons:
            raise _refused("; ".join(reasons))
        return images


def _content(value: Any) -> bytes:
    """Return the file in a row.

    MLflow decodes base64 for some request forms (dataframe_split, dataframe_records) and hands
    its text on, as text or bytes, for others (inputs, instances). No image file is base64.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return _from_base64(content) or content
    if not isinstance(value, str):
        raise UnusableImage(f"must be bytes or base64 text, got {type(value).__name__}")
    if len(value) > MAX_BYTES * 3 // 2:
        raise UnusableImage(f"{len(value)} characters; at most {MAX_BYTES} bytes are read")
    content = _from_base64(value.encode())
    if not content:
        raise UnusableImage("the text is not base64 of an image")
    return content


def _from_base64(text: bytes) -> bytes:
    """Decode base64, broken into lines or behind a data: prefix too; b"" where it is not that."""
    if text.startswith(b"data:"):
        text = text.partition(b",")[2]
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _refused(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(ImageClassifier())
