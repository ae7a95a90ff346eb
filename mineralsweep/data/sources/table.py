"""A table of files and labels, as CSV, TSV or Parquet."""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from mineralsweep.data.listing import (
    PARTS_BY_NAME,
    Listed,
    Listing,
    Part,
    Rejected,
    part_of,
    shown,
)
from mineralsweep.data.settings import COLUMNS, DataSettings
from mineralsweep.errors import DataError, did_you_mean

ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")
SEPARATORS = ",;\t|"
NEEDED = ("file", "label")
GROUP_WORDS = {"specimen", "sample", "stone", "rock", "object", "individual", "patient", "subject"}
"""Names of columns that tell which images belong together, as a rule."""
SEPARATOR_TOLD = re.compile(r"sep=(.)", re.IGNORECASE)
"""The first line of a table that Excel is told the separator by."""
SHOWN = 5
"""Rows named in an error."""
SHOWN_SIGNS = 40
HINTED = 100
"""Rows that name no file, for which a file of nearly that name is looked for."""


def is_table(path: Path) -> bool:
    """Say whether a path is that of a table, by its ending."""
    return path.suffix.lower() in ENDINGS and not path.is_dir()


def within(folder: Path, asked: DataSettings) -> Path | None:
    """Return a table in a folder that names images and their labels, None where there is none."""
    for path in _entries(folder):
        if is_table(path):
            try:
                listing(path, asked)
            except DataError:
                continue
            return path
    return None


def listing(path: Path, asked: DataSettings) -> Listing:
    """List the files that a table names, each with its label.

    Files are looked for from the table's own folder. A row without a label, a row that names no
    file, and a file named twice with two labels are rejected, each with its reason; so are images
    in the same folders, and in those beside them, that no row names.

    Args:
        path: a table with the columns file and label, and perhaps group and split.
        asked: `columns` has the names of columns that are called otherwise; `groups` may name one.

    Raises:
        DataError: the table can't be read or lacks a column, or a value of its split column is the
            name of no part.
    """
    header, lines = _read(path)
    lines = [(number, line) for number, line in lines if any(map(_filled, line.values()))]
    names = _columns(path, header, asked)
    if asked.redivide:
        names.pop("split", None)
    rows = [_row(line, names) for _, line in lines]
    _refuse_line_ends(path, [number for number, _ in lines], rows)
    parts = _parts(path, [number for number, _ in lines], rows, names.get("split", ""))
    listed: dict[Path, Listed] = {}
    rejected: list[Rejected] = []
    undecided: dict[Path, Rejected] = {}
    folders: dict[Path, dict[str, Path]] = {}
    for (number, _), row, part in zip(lines, rows, parts, strict=True):
        where = f"row {number} of {path.name}"
        file = _file(path, row["file"])
        lost = _lost(path, file, folders if len(rejected) < HINTED else None)
        if lost:
            rejected.append(Rejected(file, f"{where} {lost}"))
        else:
            found = Listed(file, row["label"], part, row.get("group", ""))
            known = listed.setdefault(file, found)
            reason = f"{where} says {_said(found)}, an earlier row {_said(known)}"
            if not found.label:
                reason = f"{where} has no label"
            if not found.label or known != found:
                without = replace(known, label="")
                undecided.setdefault(file, Rejected(file, reason, listed=without))
    rejected += undecided.values()
    files = tuple(one for one in listed.values() if one.path not in undecided)
    unusable = {one.path for one in rejected}
    if not rows:
        raise DataError(f"{path}: has a header and no rows; give a row an image")
    if not files:
        raise DataError(
            f"{path}: none of its {len(rows)} rows names a file that is there, with a label; they"
            f" are looked for from {path.parent.resolve()}; first: {rejected[0].reason}"
        )
    return Listing(
        path.parent, files, tuple(rejected), (), _unnamed(path, listed.keys() | unusable),
        f"no row of {path.name} names it", True, "column" if any(parts) else "",
        _unused(header, names, lines), _trimmed(lines, names["label"]),
    )  # fmt: skip


def named_in(path: Path, column: str | None = None) -> list[Path | Rejected]:
    """List the files that a table names, in its order; rows that name none are rejected.

    Args:
        path: a table; its other columns are not looked at.
        column: of the files; None: the one called file.

    Raises:
        DataError: the table can't be read, or lacks the column.
    """
    header, lines = _read(path)
    plain = {name.strip().casefold(): name for name in reversed(header)}
    name = plain.get("file", "file") if column is None else column
    if name not in header:
        raise DataError(
            f"{path}: has no column '{name}'{did_you_mean(name, header)}; say which column names"
            " the files: --column NAME"
        )
    found: list[Path | Rejected] = []
    folders: dict[Path, dict[str, Path]] = {}
    for number, line in lines:
        if any(map(_filled, line.values())):
            file = _file(path, _text(line[name]))
            lost = _lost(path, file, folders if len(found) < HINTED else None)
            found.append(Rejected(file, f"row {number} of {path.name} {lost}") if lost else file)
    return found


Line = dict[str | None, Any]


def _read(path: Path) -> tuple[list[str], list[tuple[int, Line]]]:
    """Return the names of the columns, and the rows, each with its number in a spreadsheet."""
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            import pandas as pd

            frame = pd.read_parquet(path)
            header = [str(name) for name in frame.columns]
            frame.columns = pd.Index(header)
            return header, list(enumerate(frame.to_dict("records"), start=1))  # type: ignore[arg-type]
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            given = SEPARATOR_TOLD.fullmatch(first.strip())
            separator = given[1] if given else max(SEPARATORS, key=first.count)
            if not given:
                file.seek(0)
            reader = csv.DictReader(file, delimiter=separator, restval="")
            lines: list[tuple[int, Line]] = [(reader.line_num, {**line}) for line in reader]
            header = list(reader.fieldnames or [])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a table or a folder") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not in UTF-8; save it as CSV in UTF-8") from None
    except Exception as error:  # csv's, pandas' and pyarrow's own
        told = str(error).strip() or type(error).__name__
        raise DataError(f"{path}: can't be read as a table: {told.splitlines()[0]}") from None
    if not header:
        raise DataError(f"{path}: is empty; give a table with the columns file and label")
    for number, line in lines:
        if any(text.strip() for text in line.get(REST) or []):
            raise DataError(
                f"{path}: row {number} has more fields than the header; a name with"
                f" '{separator}' in it must stand in quotes"
            )
    return header, lines


def _filled(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(_text(one).strip() for one in texts)


def _refuse_line_ends(path: Path, numbers: list[int], rows: list[dict[str, str]]) -> None:
    """Refuse a name over several lines: it is a quote that nobody closed.

    Raises:
        DataError: there is one.
    """
    for number, row in zip(numbers, rows, strict=True):
        for text in (row["file"], row["label"]):
            if "\n" in text or "\r" in text:
                raise DataError(
                    f"{path}: a cell that ends in row {number} goes over several lines, and begins"
                    f" with {text[:SHOWN_SIGNS].splitlines()[0]!r}: close the quote before it"
                )


REST = None
"""The key of what a row has more than the header."""


def _columns(path: Path, header: list[str], asked: DataSettings) -> dict[str, str]:
    """Return the table's own names of the columns that it has, by ours."""
    named = dict(asked.columns)
    if asked.groups is not None and asked.groups.by == "column":
        named["group"] = asked.groups.value
    if asked.split == "column":
        named.setdefault("split", "split")
    shown = ", ".join(header)
    for key, name in named.items():
        if name not in header:
            raise DataError(
                f"{path}: has no column '{name}' for {key}{did_you_mean(name, header)}; its columns"
                f" are {shown}"
            )
    plain = {name.strip().casefold(): name for name in reversed(header)}
    found = {key: plain[key] for key in COLUMNS if key in plain} | named
    missing = [key for key in NEEDED if key not in found]
    if missing:
        example = ", ".join(f"{key}: NAME" for key in missing)
        raise DataError(
            f"{path}: has no column {' and none '.join(missing)}; its columns are"
            f" {shown}: say which, as in --set 'data.columns={{{example}}}'"
        )
    return found


def _row(line: Line, names: dict[str, str]) -> dict[str, str]:
    """Return a row's texts; a file's name stays as it stands."""
    row = {key: _text(line[column]) for key, column in names.items()}
    labels = {key: unicodedata.normalize("NFC", text).strip() for key, text in row.items()}
    return {**labels, "file": row["file"]}


def _text(value: object) -> str:
    missing = value is None or value != value  # Parquet's empty cells: None, or no number
    return "" if missing else str(value)


def _file(table: Path, text: str) -> Path:
    """Return the file that a row means; the table itself where it means none."""
    return _place(table.parent, text) if text.strip() else table


def _lost(table: Path, file: Path, folders: dict[Path, dict[str, Path]] | None) -> str:
    """Say why what a row names can't be used; "" where it can.

    `folders`: as of `_meant`; None: no hint is looked for.
    """
    if file == table:
        return "names no file"
    if not _exists(file):
        hint = "" if folders is None else _meant(table.parent, file, folders)
        return f"names no file that is there{hint}"
    return "names a folder" if file.is_dir() else ""


def _place(folder: Path, text: str) -> Path:
    """Return the file that a row means, for other slashes, blanks around it or another Unicode."""
    slashed = text.replace("\\", "/")
    for tried in (text, text.strip(), slashed.strip()):
        for form in (tried, *(unicodedata.normalize(one, tried) for one in ("NFC", "NFD"))):
            if form and _exists(folder / form):
                return folder / form
    return folder / slashed.strip()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False


def _meant(folder: Path, file: Path, known: dict[Path, dict[str, Path]]) -> str:
    """Return the name of a file that may be meant: with another ending, or in a folder below.

    `known`: by folder, the files in it by name and by stem; what is looked into is added.
    """
    if folder not in known:
        known[folder] = _by_name(folder)
    beside = sorted({one for one in known[folder].values() if one.is_dir()})
    for place in dict.fromkeys((file.parent, folder, *beside)):
        if place not in known:
            known[place] = _by_name(place)
        one = known[place].get(file.stem.casefold())
        if one is not None:
            return f"; did you mean '{shown(one, folder)}'?"
    return ""


def _by_name(folder: Path) -> dict[str, Path]:
    entries = _entries(folder)
    by_stem = {one.stem.casefold(): one for one in reversed(entries)}
    return by_stem | {one.name.casefold(): one for one in entries}


def _said(file: Listed) -> str:
    return ", ".join(text for text in (file.label, file.part, file.group) if text)


def _parts(
    path: Path, numbers: list[int], rows: list[dict[str, str]], column: str
) -> list[Part | Literal[""]]:
    """Return the part of each row; none where no row has one."""
    texts = [row.get("split", "") for row in rows]
    if not any(texts):
        return [""] * len(texts)
    found = [part_of(text) for text in texts]
    wrong = [
        f"'{text}' in row {number}"
        for number, text, part in zip(numbers, texts, found, strict=True)
        if part is None
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more rows" if len(wrong) > SHOWN else ""
        raise DataError(
            f"{path}: column '{column}' must have one of {', '.join(PARTS_BY_NAME)} in every row,"
            f" got {', '.join(wrong[:SHOWN])}{more}; --set data.redivide=true passes over it"
        )
    return [part for part in found if part is not None]


def _unnamed(path: Path, named: set[Path]) -> tuple[Path, ...]:
    """Return files that no row names, in the folders in which others are named, and beside them."""
    folders = {file.parent for file in named if _exists(file) and file.is_file() and file != path}
    beside = {folder.parent for folder in folders if path.parent in folder.parents}
    folders |= {one for folder in beside for one in _entries(folder) if one.is_dir()}
    shown = sorted(folder for folder in folders if not folder.name.startswith("."))
    return tuple(
        file
        for folder in shown
        for file in _entries(folder)
        if file.is_file() and not file.name.startswith(".") and file not in named and file != path
    )


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted; nothing where it can't be read."""
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):  # ValueError: no system has such a name
        return []


def _trimmed(lines: list[tuple[int, Line]], column: str) -> tuple[str, ...]:
    texts = {_text(line[column]) for _, line in lines}
    return tuple(sorted(text for text in texts if text.strip() and text != text.strip()))


def _unused(
    header: list[str], names: dict[str, str], lines: list[tuple[int, Line]]
) -> tuple[str, ...]:
    """Return the columns, not used, whose names are those of a group."""
    if "group" in names:
        return ()
    left = [name for name in header if name not in names.values()]
    return tuple(
        name
        for name in left
        if name.strip().casefold() in GROUP_WORDS
        and 1 < len({_text(line[name]) for _, line in lines}) < len(lines)
    )
