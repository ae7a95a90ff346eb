"""The pyfunc model: one column `image` of encoded images -> one row of answers an image.

MLflow runs this file to load a model ("models from code"): no pickle is read.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from mineralsweep.data.decode import BITS, MAX_BYTES
from mineralsweep.data.depth import FULL
from mineralsweep.errors import UnusableImage
from mineralsweep.serving import paths
from mineralsweep.serving.served import Answer, Served, load
from mineralsweep.serving.threads import is_server, keep_apart
from mineralsweep.serving.workers import Workers

COLUMN = "image"
MAX_ROWS = 1024
URL_SAFE = bytes.maketrans(b"-_", b"+/")
ON_ERROR = "on_error"
REFUSE, ANSWER = "refuse", "answer"
UNUSABLE = "unusable"
SECONDS = "MINERALSWEEP_REQUEST_SECONDS"
DEFAULT_SECONDS = 50.0
"""A request to a server may take so long: MLflow's gives up after 60."""


class ImageClassifier(PythonModel):
    """Decodes with the decoder that training used, so the same bytes give the same answer.

    The images of all requests that are under way are answered by one thread a core.
    """

    served: Served
    _workers: Workers[bytes, Answer]
    _begun = False

    def load_context(self, context: PythonModelContext) -> None:
        bits = int((context.model_config or {}).get(BITS, FULL))
        self.serve(load(Path(context.artifacts["network"]), bits))

    def serve(self, served: Served) -> None:
        """Answer with this model."""
        self.served = served
        self._workers = Workers(served.answer)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify images.

        Args:
            model_input: one column `image`; each row the bytes of a file of an image, or the same
                as base64 text; or the path of one, where that is allowed: see `paths`. At most
                1,024 rows; where paths are allowed, any number.
            params: `on_error`: what becomes of a request with a row that is no image: "refuse"
                all of it (default), or "answer" the others, as where paths are allowed.

        Returns:
            One row an image: `label`, `confidence` in [0, 1], and `probabilities`, a mapping of
            class names that adds up to 1; `verdict`, whether it is like the training images, and
            `novelty`, which is above 1 where it is not. With "answer" also `reason`: of a row that
            is no image, whose verdict is "unusable".

        Raises:
            MlflowException: a row is no image, there are too many, or they take too long (HTTP
                400); the message names each such row.
        """
        on_error = (params or {}).get(ON_ERROR, REFUSE)
        if on_error not in (REFUSE, ANSWER):
            raise _refused(f"{ON_ERROR}: must be {REFUSE} or {ANSWER}, got '{on_error}'")
        if paths.allowed():  # a batch, whose command has no way to say what is wanted
            on_error = ANSWER
        answers = self._answers(_rows(model_input))
        wrong = {row: one for row, one in enumerate(answers) if isinstance(one, UnusableImage)}
        if wrong and on_error == REFUSE:
            raise _refused("; ".join(f"row {row}: {error}" for row, error in wrong.items()))
        return self._frame(answers, with_reason=on_error == ANSWER)

    def rows(self, contents: Sequence[bytes]) -> list[dict[str, Any]]:
        """Return what `predict` does with "answer", a mapping an image: for who needs no table.

        Raises:
            MlflowException: as `predict` does.
        """
        return [self._row(one) for one in self._answers(contents)]

    def _answers(self, values: Sequence[Any]) -> list[Answer | UnusableImage]:
        contents = [_content_or_error(value) for value in values]
        usable = [one for one in contents if not isinstance(one, UnusableImage)]
        self._begin()
        futures = self._workers.submit(usable)
        found = iter(_awaited(futures))
        return [one if isinstance(one, UnusableImage) else next(found) for one in contents]

    def _begin(self) -> None:
        """With the first request: by then it is known whether this process is a server."""
        if not self._begun:
            self._begun = True
            keep_apart()

    def _frame(self, answers: Sequence[Answer | UnusableImage], with_reason: bool) -> pd.DataFrame:
        rows = [self._row(one) for one in answers]
        columns = ["label", "confidence", "probabilities"]
        if self.served.familiarity is not None:
            columns += ["verdict", "novelty"]
        elif with_reason:
            columns.append("verdict")
        if with_reason:
            columns.append("reason")
        # As objects None stays None: of NaN, MLflow's server makes what is no JSON.
        kind = object if any(isinstance(one, UnusableImage) for one in answers) else None
        return pd.DataFrame({name: [row[name] for row in rows] for name in columns}, dtype=kind)

    def _row(self, answer: Answer | UnusableImage) -> dict[str, Any]:
        if isinstance(answer, UnusableImage):
            nothing = dict.fromkeys(("label", "confidence", "probabilities", "novelty"))
            return {**nothing, "verdict": UNUSABLE, "reason": str(answer)}
        classes = self.served.classifier.classes
        probabilities = map(float, answer.probabilities)
        return {
            "label": classes[int(answer.probabilities.argmax())],
            "confidence": float(answer.probabilities.max()),
            "probabilities": dict(zip(classes, probabilities, strict=True)),
            "verdict": answer.verdict,
            "novelty": answer.novelty,
            "reason": "",
        }


def _rows(model_input: pd.DataFrame) -> list[Any]:
    if COLUMN not in model_input:
        raise _refused(f"column '{COLUMN}' is missing, got {list(map(str, model_input.columns))}")
    if len(model_input) > MAX_ROWS and not paths.allowed():
        raise _refused(f"{len(model_input)} rows; at most {MAX_ROWS} are taken in one request")
    return list(model_input[COLUMN])


def _awaited(futures: Sequence[Future[Answer]]) -> list[Answer | UnusableImage]:
    """Wait for the answers; in a server, so long as a request may take."""
    seconds = float(os.environ.get(SECONDS, DEFAULT_SECONDS)) if is_server() else math.inf
    until = time.monotonic() + seconds
    found: list[Answer | UnusableImage] = []
    for future in futures:
        try:
            left = until - time.monotonic()
            found.append(future.result(None if math.isinf(left) else max(0.0, left)))
        except UnusableImage as error:
            found.append(error)
        except MemoryError:
            found.append(UnusableImage("the memory does not suffice for it just now"))
        except TimeoutError:
            for one in futures:
                one.cancel()
            raise _refused(
                f"{len(found)} of {len(futures)} rows were answered in {seconds:g} s, which is all"
                " that a request may take; send fewer rows at a time"
            ) from None
    return found


def _content_or_error(value: Any) -> bytes | UnusableImage:
    try:
        return file_in(value)
    except UnusableImage as error:
        return error


def file_in(value: Any) -> bytes:
    """Return the file in a row.

    MLflow decodes base64 for some request forms (dataframe_split, dataframe_records) and hands
    its text on, as text or bytes, for others (inputs, instances). No image file is base64.

    Raises:
        UnusableImage: there is none in it.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return _from_base64(content) or content
    if isinstance(value, str) and (named := paths.content_of(value)) is not None:
        return named
    if not isinstance(value, str):
        raise UnusableImage(f"must be bytes or base64 text, got {type(value).__name__}")
    if len(value) > MAX_BYTES * 3 // 2:
        raise UnusableImage(f"{len(value)} characters; at most {MAX_BYTES} bytes are read")
    content = _from_base64(value.encode())
    if not content:
        raise UnusableImage("the text is not base64 of an image")
    return content


def _from_base64(text: bytes) -> bytes:
    """Decode base64, in lines, behind a data: prefix, or as URLs have it; b"" of what is none."""
    if not text[:16].isascii():  # as JPEG and PNG begin: the rest need not be looked at
        return b""
    if text.startswith(b"data:"):
        text = text.partition(b",")[2]
    text = b"".join(text.split()).translate(URL_SAFE)
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _refused(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(ImageClassifier())
