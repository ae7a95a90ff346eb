"""The `data` setting -> a catalogue: a source by its name, or a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mineralsweep import files
from mineralsweep.data import catalog, minet, sample
from mineralsweep.data.catalog import Catalog

Source = Callable[[Sequence[str] | None], Catalog]
"""The classes to keep (None: the source's own choice) -> the catalogue."""

SOURCES: dict[str, Source] = {
    "sample": lambda classes: catalog.read(sample.ensure(files.folder()), classes),
    "minet": lambda classes: catalog.read(minet.fetch(), classes or minet.ORIGINAL_CLASSES),
}
"""Drawn here without a network; fetched from Kaggle, of which the original kept three classes."""


def open_catalog(source: str, classes: Sequence[str] | None = None) -> Catalog:
    """Read the catalogue of `source`.

    Args:
        source: one of SOURCES, or the path of a folder with one sub-folder a class.
        classes: the classes to keep; None keeps all, or the source's own choice.

    Raises:
        DataError: the folder can't be used, or the source can't be fetched.
    """
    if source in SOURCES:
        return SOURCES[source](classes)
    return catalog.read(Path(source), classes)
