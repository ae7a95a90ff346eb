"""A table of files and labels, as CSV, TSV or Parquet."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mineralsweep.data.listing import PARTS_BY_NAME, Listed, Listing, Part, Rejected
from mineralsweep.data.settings import COLUMNS, DataSettings
from mineralsweep.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")
SEPARATORS = ",;\t|"
NEEDED = ("file", "label")
SHOWN = 5
"""Rows named in an error."""


def is_table(path: Path) -> bool:
    """Say whether a path is that of a table, by its ending."""
    return path.suffix.lower() in ENDINGS and not path.is_dir()


def listing(path: Path, asked: DataSettings) -> Listing:
    """List the files that a table names, each with its label.

    Files are looked for from the table's own folder. A row without a label, a row that names no
    file, and a file named twice with two labels are rejected, each with its reason; so are images
    in the same folders that no row names.

    Args:
        path: a table with the columns file and label, and perhaps group and split.
        asked: `columns` has the names of columns that are called otherwise; `groups` may name one.

    Raises:
        DataError: the table can't be read or lacks a column, or a value of its split column is the
            name of no part.
    """
    frame = _read(path)
    names = _columns(path, frame, asked)
    if asked.redivide:
        names.pop("split", None)
    rows = [
        {key: _text(row[column]) for key, column in names.items()}
        for row in frame.to_dict("records")
    ]
    parts = _parts(path, [row.get("split", "") for row in rows], names.get("split", ""))
    listed: dict[Path, Listed] = {}
    rejected: list[Rejected] = []
    for number, (row, part) in enumerate(zip(rows, parts, strict=True), start=2):
        file = _place(path.parent, row["file"])
        where = f"row {number} of {path.name}"
        if not row["label"]:
            rejected.append(Rejected(file, f"{where} has no label"))
        elif not row["file"] or not file.exists():
            rejected.append(Rejected(file, f"{where} names no file that is there"))
        else:
            found = Listed(file, row["label"], part, row.get("group", ""))
            known = listed.setdefault(file, found)
            if known != found:
                reason = f"{where} says {_said(found)}, an earlier row {_said(known)}"
                rejected.append(Rejected(file, reason))
    both = {one.path for one in rejected}
    files = tuple(one for one in listed.values() if one.path not in both)
    if not files:
        raise DataError(
            f"{path}: none of its {len(rows)} rows names a file that is there; they are looked for"
            f" from {path.parent.resolve()}: {', '.join(row['file'] for row in rows[:SHOWN])}"
        )
    return Listing(
        path.parent, files, tuple(rejected), (), _unnamed(path, listed.keys() | both),
        f"no row of {path.name} names it", True, "column" if any(parts) else "",
    )  # fmt: skip


def _place(folder: Path, text: str) -> Path:
    """Return the file that a row means; a table that was made on Windows has other slashes."""
    place = folder / text
    return place if "\\" not in text or place.exists() else folder / text.replace("\\", "/")


def _said(file: Listed) -> str:
    return ", ".join(text for text in (file.label, file.part, file.group) if text)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        # Text as it stands: a class named NA is none that is missing, and 007 is no number.
        return pd.read_csv(
            path, sep=max(SEPARATORS, key=header.count), dtype=str, keep_default_na=False,
            encoding="utf-8-sig",
        )  # fmt: skip
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a table or a folder") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not in UTF-8; save it as CSV in UTF-8") from None
    except Exception as error:  # pandas' and pyarrow's parsers have many of their own
        told = str(error).strip() or type(error).__name__
        raise DataError(f"{path}: can't be read as a table: {told.splitlines()[0]}") from None


def _columns(path: Path, frame: pd.DataFrame, asked: DataSettings) -> dict[str, str]:
    """Return the table's own names of the columns that it has, by ours."""
    there = [str(name) for name in frame.columns]
    named = dict(asked.columns)
    if asked.groups is not None and asked.groups.by == "column":
        named["group"] = asked.groups.value
    if asked.split == "column":
        named.setdefault("split", "split")
    for key, name in named.items():
        if name not in there:
            raise DataError(
                f"{path}: has no column '{name}' for {key}{did_you_mean(name, there)}; its columns"
                f" are {', '.join(there)}"
            )
    found = {key: named.get(key, key) for key in COLUMNS if named.get(key, key) in there}
    missing = [key for key in NEEDED if key not in found]
    if missing:
        example = ", ".join(f"{key}: NAME" for key in missing)
        raise DataError(
            f"{path}: has no column {' and none '.join(missing)}; its columns are"
            f" {', '.join(there)}: say which, as in --set 'data.columns={{{example}}}'"
        )
    return found


def _text(value: object) -> str:
    missing = value is None or value != value  # Parquet's empty cells: None, or no number
    return "" if missing else unicodedata.normalize("NFC", str(value)).strip()


def _parts(path: Path, texts: list[str], column: str) -> list[Part | Literal[""]]:
    """Return the part of each row; none where no row has one."""
    wrong = sorted({text for text in texts if text.lower() not in PARTS_BY_NAME})
    if wrong == [""] and not any(texts):
        return [""] * len(texts)
    if wrong:
        shown = ", ".join(f"'{text}'" for text in wrong[:SHOWN])
        raise DataError(
            f"{path}: column '{column}' must have one of {', '.join(PARTS_BY_NAME)} in every row,"
            f" got {shown}; --set data.redivide=true passes over it"
        )
    return [PARTS_BY_NAME[text.lower()] for text in texts]


def _unnamed(path: Path, named: set[Path]) -> tuple[Path, ...]:
    """Return files that no row names, in the folders in which others are named."""
    folders = sorted({file.parent for file in named if file.parent.is_dir()})
    return tuple(
        file
        for folder in folders
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".") and file not in named and file != path
    )
