"""The `data` setting -> a folder and its catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mineralsweep import files
from mineralsweep.data import catalog, minet, sample

NAMED = ("sample", "minet")


def open_catalog(source: str, classes: Sequence[str] | None = None) -> catalog.Catalog:
    """Read the catalogue of `source`.

    Args:
        source: "sample" (drawn here, no network), "minet" (fetched from Kaggle), or the path
            of a folder with one sub-folder a class.
        classes: the classes to keep; None keeps all, of minet the study's three.

    Raises:
        DataError: the folder can't be used, or minet can't be fetched.
    """
    if source == "sample":
        return catalog.read(sample.ensure(files.folder()), classes)
    if source == "minet":
        return catalog.read(minet.fetch(), classes or minet.STUDY_CLASSES)
    return catalog.read(Path(source), classes)
