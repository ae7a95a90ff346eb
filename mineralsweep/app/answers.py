"""A table of a model's answers, a row an image, that a killed run leaves whole and goes on with."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from mineralsweep import files
from mineralsweep.errors import ConfigError

UNUSABLE = "unusable"
UNLIKE = "unlike_training"
"""Verdicts: the image can't be read; it is unlike what the model was trained on."""
FIRST = ("file", "label", "confidence", "verdict")
NOVELTY = "novelty"
OF_CLASS = "p_"
LAST = ("reason", "model", "sha256", "folder")
FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - Excel in Japanese takes these too
"""What a spreadsheet takes a text for a formula by, and may then run it."""
DIGITS = 6


@dataclass(frozen=True)
class Answer:
    """What a model says of one image, or why it can't.

    Attributes:
        file: the image's name in one line: its path from `folder`, or a whole path.
        folder: an absolute path.
        label, confidence, probabilities: the model's; "", None and {} for an unusable image.
        verdict: `UNUSABLE`, what the model says, or "": it does not say.
        novelty: how unlike the training images it is; above 1.0: unlike; None: not said.
        reason: why it is unusable; else "".
        model: the model's URI, with the version's number; "" for an unusable image.
        sha256: of the file's bytes, in hexadecimal; "": they could not be read.
    """

    file: str
    folder: str
    label: str = ""
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""
    novelty: float | None = None
    reason: str = ""
    model: str = ""
    sha256: str = ""

    @property
    def usable(self) -> bool:
        return self.verdict != UNUSABLE

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold; without novelty where the model does not say it."""
        plain = asdict(self)
        if self.novelty is None:
            del plain[NOVELTY]
        return plain


class AnswerTable:
    """A CSV file of answers: UTF-8 with a byte order mark, for Excel reads it wrong without one.

    Rows are on the disk when `add` returns. A row that was half written when the computer stopped
    is left out when the file is opened again, and its image is asked again.

    Args:
        path: is not changed before the first `add`.
        again: the answers that are there are replaced.

    Raises:
        ConfigError: another table is there, or it can't be read.
    """

    def __init__(self, path: Path, again: bool = False) -> None:
        self.path = path
        columns, rows = _read(path)
        self._columns = () if again else columns
        self._rows = {} if again else {(one.folder, one.file): one for one in rows}
        self._superseded = False
        self._file: TextIO | None = None

    @property
    def models(self) -> set[str]:
        """The models that gave the answers which are there."""
        return {row.model for row in self._rows.values() if row.model}

    @functools.cached_property
    def known(self) -> dict[str, Answer]:
        """The answers that were there when the table was opened, by the image's SHA-256.

        Unusable images are not among them: what can't be read today may be tomorrow.
        """
        return {row.sha256: row for row in self._rows.values() if row.usable}

    def add(self, answers: Sequence[Answer], classes: Sequence[str], novelty: bool) -> None:
        """Write answers; one about a file of which there is a row takes that row's place.

        Args:
            answers: of one model.
            classes: that it tells apart, in order; () where it was not asked yet.
            novelty: whether it says how unlike the training an image is.

        Raises:
            ConfigError: the file can't be written.
        """
        told = [row for row in answers if self._rows.get((row.folder, row.file)) != row]
        if not told:
            return
        self._superseded |= any((row.folder, row.file) in self._rows for row in told)
        columns = self._columns if self._columns and not classes else _columns(classes, novelty)
        if self._file is None or columns != self._columns:
            self._begin(columns)
        assert self._file is not None
        for row in told:
            self._rows[row.folder, row.file] = row
        self._file.write(_lines(told, columns))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """End writing; a file has one row then, its last."""
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._superseded:
                self._rewrite()

    def _begin(self, columns: tuple[str, ...]) -> None:
        """Write the rows that there are as a whole file, to which others are added."""
        self.close()
        self._columns = columns
        try:
            self._rewrite()
            self._file = self.path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"--csv: {self.path} can't be written: {reason}; name another file"
            ) from None

    def _rewrite(self) -> None:
        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o644
        text = _line(self._columns) + _lines(self._rows.values(), self._columns)
        files.write_atomically(
            self.path, lambda path: path.write_text(text, encoding="utf-8-sig", newline="")
        )
        self.path.chmod(mode)


@contextmanager
def opened(path: Path, again: bool = False) -> Iterator[AnswerTable]:
    """Open a table of answers that no other process of this user writes to.

    Raises:
        ConfigError: another process does; else as of `AnswerTable`.
    """
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    try:
        with files.exclusive(files.folder() / "locks" / key):
            table = AnswerTable(path, again)
            try:
                yield table
            finally:
                table.close()
    except files.Taken as taken:
        raise ConfigError(
            f"--csv: {path} is written by process {taken.owner}; wait for it, or name another file"
        ) from None


def _columns(classes: Sequence[str], novelty: bool) -> tuple[str, ...]:
    of_classes = [f"{OF_CLASS}{name}" for name in classes]
    return (*FIRST, *([NOVELTY] if novelty else []), *of_classes, *LAST)


def _lines(rows: Any, columns: tuple[str, ...]) -> str:
    return "".join(_line([_cells(row).get(name, "") for name in columns]) for row in rows)


def _line(cells: Sequence[str | float]) -> str:
    """Return a row. Texts stand in quotes: Excel divides at ; where the comma is decimal."""
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_NONNUMERIC).writerow(cells)
    return written.getvalue()


def _cells(row: Answer) -> dict[str, str | float]:
    texts = {name: getattr(row, name) for name in ("label", "verdict", *LAST)}
    numbers = {"confidence": row.confidence, NOVELTY: row.novelty}
    numbers |= {f"{OF_CLASS}{name}": share for name, share in row.probabilities.items()}
    return {
        "file": f"./{row.file}" if row.file.startswith(FORMULA) else row.file,  # the same file
        **{name: f"'{text}" if text.startswith(FORMULA) else text for name, text in texts.items()},
        **{name: "" if x is None else round(x, DIGITS) for name, x in numbers.items()},
    }


def _read(path: Path) -> tuple[tuple[str, ...], list[Answer]]:
    """Return the columns and the rows of a table; of none or an empty one, none."""
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise ConfigError(f"--csv: {path} can't be read: {error.strerror or error}") from None
    if not content:
        return (), []
    whole = content[: content.rfind(b"\n") + 1].decode("utf-8-sig", "replace")
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    columns = tuple(reader.fieldnames or ())
    if not {*FIRST, *LAST} <= set(columns):
        raise ConfigError(
            f"--csv: {path} is there, and no table that predict wrote (or it was saved with other"
            " separators); it stays as it is: name another file"
        )
    rows = []
    for line in reader:
        with suppress(ValueError):  # of a number that somebody overwrote: it is asked again
            if None not in line and None not in line.values():
                rows.append(_row(line))
    return columns, rows


def _row(line: dict[str, str]) -> Answer:
    texts = {name: _text(line[name]) for name in ("label", "verdict", *LAST)}
    shares = {name: _number(text) for name, text in line.items() if name.startswith(OF_CLASS)}
    return Answer(
        file=line["file"].removeprefix("./"),
        confidence=_number(line["confidence"]),
        novelty=_number(line.get(NOVELTY, "")),
        probabilities={
            name.removeprefix(OF_CLASS): share
            for name, share in shares.items()
            if share is not None
        },
        **texts,
    )


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
