"""Which images, and how they are divided: the `data` section of a sweep file, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

NearDuplicates = Literal["group", "ignore"]
SHARES = "40/20/40"
"""Train, validation and test in per cent, where nothing else is said."""
COLUMNS = ("file", "label", "group", "split")
"""What a table's columns are called, unless others are named."""


@dataclass(frozen=True)
class GroupRule:
    """What tells which images belong together, beside their looks.

    Attributes:
        by: "folder": those of one folder below the class folder. "name": those whose file names
            differ in their last number, as rock07_1 and rock07_2 do. "pattern": those whose file
            names match alike. "column": those with the same text in a table's column.
        value: the regular expression, or the column's name.
    """

    by: Literal["folder", "name", "pattern", "column"]
    value: str = ""

    def __str__(self) -> str:
        return f"{self.by} {self.value}".strip()


@dataclass(frozen=True)
class DataSettings:
    """Which images, and how they are divided.

    Attributes:
        source: one of `sources.SOURCES`, a folder, or a table.
        split: train/validation/test in per cent, as "40/20/40"; "folders" or "column": as the
            source is divided already. A source that is divided is used as it is, whatever the
            shares; a part that it lacks is cut out of its train part by them.
        split_seed: another seed gives another split of the same shares.
        redivide: divide a source anew that is divided already.
        classes: the classes to keep; None keeps all.
        min_images: classes with fewer usable images are left out.
        near_duplicates: "group" keeps them on one side of the split; "ignore" does not look.
        groups: which images belong together beside these; None: no others.
        columns: a table's own names, by those of COLUMNS.
        in_test: digests of images that stand in the test part, wherever the split would put them:
            another model was tested on them.
    """

    source: str
    split: str = SHARES
    split_seed: int = 0
    redivide: bool = False
    classes: tuple[str, ...] | None = None
    min_images: int = 0
    near_duplicates: NearDuplicates = "group"
    groups: GroupRule | None = None
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    in_test: tuple[str, ...] = ()

    @property
    def shares(self) -> str:
        """The shares of a split that has to be made."""
        return SHARES if self.split in ("folders", "column") else self.split

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises:
            TypeError: it is something else.
        """
        classes, groups = plain["classes"], plain["groups"]
        return cls(**{
            **plain,
            "classes": None if classes is None else tuple(classes),
            "in_test": tuple(plain.get("in_test", ())),
            "groups": None if groups is None else GroupRule(**groups),
        })  # fmt: skip
