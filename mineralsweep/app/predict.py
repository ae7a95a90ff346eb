"""Collections of images, classified with a registered model."""

from __future__ import annotations

import functools
import hashlib
import io
from collections import deque
from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from mineralsweep.app.answers import UNUSABLE, Answer, AnswerTable
from mineralsweep.app.sorting import Sorter
from mineralsweep.data import reading
from mineralsweep.data.decode import MAX_BYTES, inspect
from mineralsweep.data.listing import readable
from mineralsweep.data.sources.unlabelled import Collection, Unlabelled
from mineralsweep.errors import ConfigError, InputError, UnusableImage
from mineralsweep.serving.served import Served

BATCH = 16
"""Images asked at once: answers are on the disk within seconds."""
BATCH_BYTES = 64 * 2**20
AHEAD_BYTES = 256 * 2**20
"""Of the files that are read ahead of the model, at most; one more may be begun."""
READERS = 2
MOST_AT_ONCE = 64
"""Files told of at once, those that need not be asked included."""
SAID = ("label", "confidence", "probabilities", "verdict", "novelty")
"""Of an answer, what the model says; the last two by some models only."""
LEAST = 64
"""Pixels a side to which a JPEG is decoded to see whether it is whole; the model decodes it."""


class Model:
    """A registered model, looked for and loaded when it is first needed.

    Args:
        uri: its name; None: the champion.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._named = uri

    @functools.cached_property
    def uri(self) -> str:
        """The model's URI, with the version's number in place of an alias.

        Raises:
            InputError: there is no such model, or the store can't be reached.
        """
        from mineralsweep.registry import CHAMPION_URI, settled
        from mineralsweep.tracking import open_store

        open_store()
        return settled(self._named or CHAMPION_URI)

    @functools.cached_property
    def _classifier(self) -> Any:
        from mineralsweep.registry import load_classifier

        return load_classifier(self.uri)

    @functools.cached_property
    def _example(self) -> dict[str, Any]:
        """What it says of a white image: tells its classes, and whether it says novelty."""
        white = io.BytesIO()
        Image.new("RGB", (64, 64), "white").save(white, "PNG")
        [row] = self.ask([white.getvalue()])
        if isinstance(row, str) or "probabilities" not in row:
            raise InputError(f"model: {self.uri}: is no classifier of images: --model URI")
        return row

    @property
    def served(self) -> Served:
        """What answers within the pyfunc.

        Raises:
            InputError: the model is of another release or make.
        """
        inner = getattr(self._classifier.unwrap_python_model(), "served", None)
        if not isinstance(inner, Served):
            raise InputError(f"model: {self.uri}: is of another release, or no model of ours")
        return inner

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self._example["probabilities"])

    @property
    def tells_novelty(self) -> bool:
        return "novelty" in self._example

    def ask(self, contents: Sequence[bytes]) -> list[dict[str, Any] | str]:
        """Return what the model says of each image, or why it refuses one.

        Each row has label, confidence and probabilities, and verdict and novelty where the model
        says them.
        """
        import pandas as pd
        from mlflow.exceptions import MlflowException

        try:
            frame: pd.DataFrame = self._classifier.predict(pd.DataFrame({"image": [*contents]}))
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            if len(contents) == 1:
                return [str(error).removeprefix("row 0: ")]
            return [row for content in contents for row in self.ask([content])]
        return [{str(name): cell for name, cell in row.items()} for row in frame.to_dict("records")]


@dataclass(frozen=True)
class Predicted:
    """An answer about a file of a collection.

    Attributes:
        earlier: a run before this one asked.
        photograph: whether somebody may miss it; a video or a sidecar file is missed by nobody.
    """

    source: Unlabelled
    answer: Answer
    earlier: bool = False
    photograph: bool = True

    @property
    def counts(self) -> bool:
        """Whether it gets a row: it is a photograph, or somebody named it as one."""
        return self.photograph or self.source.origin != "folder"


def predict(
    collection: Collection,
    model: Model,
    table: AnswerTable | None = None,
    sorter: Sorter | None = None,
) -> Iterator[Predicted]:
    """Classify a collection; give each image once its row is written and it is sorted.

    While the model answers, the next images are read and looked at: at most 256 MiB of files, or
    32, are held. One that can't be read costs the others nothing. Images of which the table has
    the content are not asked. Files in folders that are no photographs get no row.

    Args:
        collection: the files.
        model: is not loaded where nothing has to be asked.
        table: takes a row an image.
        sorter: takes the images.

    Raises:
        InputError: the model can't be loaded, or the table holds another model's answers.
    """
    models = table.models if table is not None else set()
    if table is not None and models and models != {model.uri}:
        raise ConfigError(
            f"--csv: {table.path} holds answers of {min(models - {model.uri})}, and this is"
            f" {model.uri}: name another file, or replace them with --again"
        )
    known = table.known if table is not None else {}
    with closing(_read_ahead(collection.files, known)) as looked_at:
        for batch in _batches(looked_at):
            rows = _answered(batch, readable(collection.root), model, known)
            kept = [row for row in rows if row.counts]
            if table is not None:
                is_asked = any(one.content for one in batch)
                columns = (model.classes, model.tells_novelty) if is_asked else ((), False)
                table.add([row.answer for row in kept], *columns)
            if sorter is not None:
                for row in kept:
                    sorter.put(row.source.path, row.answer)
            yield from rows


@dataclass(frozen=True)
class _LookedAt:
    """A file before the model is asked: its content, or why it need not be."""

    source: Unlabelled
    sha256: str = ""
    content: bytes = b""
    reason: str = ""
    photograph: bool = True


def _look_at(source: Unlabelled, known: Container[str]) -> _LookedAt:
    if source.reason:
        return _LookedAt(source, reason=source.reason)
    digest = ""
    try:
        content = reading.content(source.path)
        digest = hashlib.sha256(content).hexdigest()
        if digest in known:
            return _LookedAt(source, digest)
        inspect(content, LEAST)
    except UnusableImage as error:
        return _LookedAt(source, digest, b"", str(error), error.photograph)
    return _LookedAt(source, digest, content)


def _read_ahead(
    sources: Iterable[Unlabelled], known: Container[str]
) -> Generator[_LookedAt, None, None]:
    """Look at files in threads, in order; no more are held than the bounds allow."""
    pool = ThreadPoolExecutor(READERS)
    waiting: deque[tuple[Future[_LookedAt], int]] = deque()
    try:
        for source in sources:
            waiting.append((pool.submit(_look_at, source, known), _size(source.path)))
            while len(waiting) > 2 * BATCH or sum(size for _, size in waiting) > AHEAD_BYTES:
                yield waiting.popleft()[0].result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _size(path: Path) -> int:
    try:
        return min(path.stat().st_size, MAX_BYTES)
    except (OSError, ValueError):
        return 0


def _batches(looked_at: Iterable[_LookedAt]) -> Iterator[list[_LookedAt]]:
    """Group files so that the model is asked for many at once, and what is told is not old."""
    batch: list[_LookedAt] = []
    for one in looked_at:
        batch.append(one)
        sizes = [len(one.content) for one in batch if one.content]
        if len(sizes) >= BATCH or sum(sizes) > BATCH_BYTES or len(batch) >= MOST_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _answered(
    batch: Sequence[_LookedAt], root: str, model: Model, known: Mapping[str, Answer]
) -> list[Predicted]:
    contents = [one.content for one in batch if one.content]
    said = iter(model.ask(contents) if contents else [])
    rows = []
    for one in batch:
        answer = Answer(one.source.name, root, sha256=one.sha256)
        row = next(said) if one.content else one.reason
        if isinstance(row, dict):
            told = {name: row[name] for name in SAID if name in row}
            answer = replace(answer, model=model.uri, **told)
        elif row:
            answer = replace(answer, verdict=UNUSABLE, reason=row)
        else:
            answer = replace(known[one.sha256], file=answer.file, folder=root)
        rows.append(Predicted(one.source, answer, one.sha256 in known, one.photograph))
    return rows
