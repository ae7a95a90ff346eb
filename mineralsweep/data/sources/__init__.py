"""Where photographs come from, one file a kind: a folder, a table, the drawn sample, minet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mineralsweep import files
from mineralsweep.data import catalog
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.listing import Listing
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import folder, minet, sample, table
from mineralsweep.data.work import Say, silent
from mineralsweep.errors import DataError

SOURCES: dict[str, Callable[[], Listing]] = {
    "sample": lambda: folder.listing(sample.ensure(files.folder())),
    "minet": lambda: folder.listing(minet.fetch()),
}
"""By name: drawn here without a network; fetched from Kaggle."""


def _as_it_is(found: Listing) -> Listing:
    return found


def open_catalog(
    asked: DataSettings,
    say: Say = silent,
    relabel: Callable[[Listing], Listing] = _as_it_is,
) -> Catalog:
    """Read the catalogue of a source.

    Args:
        asked: the source, and what of it is used.
        say: is told of what takes long.
        relabel: changes the labels that the source names, before anything is read.

    Raises:
        DataError: the folder or the table can't be used, or the source can't be fetched.
    """
    classes = asked.classes
    if asked.source == "minet":
        classes = classes or minet.ORIGINAL_CLASSES
    found = catalog.read(relabel(_listing(asked)), classes, asked.min_images, say)
    if len(found.classes) < 2 and Path(asked.source).is_dir() and classes is None:
        named = table.within(Path(asked.source), asked)
        if named is not None:
            raise DataError(
                f"{asked.source}: holds no class folders, and a table that names its images: give"
                f" {named}"
            )
        deeper = folder.deeper(Path(asked.source))
        if deeper is not None:
            held = f"one class folder, '{found.classes[0]}'" if found.classes else "no class folder"
            raise DataError(
                f"{asked.source}: holds {held}; the folders of the classes lie deeper: give"
                f" {deeper}"
            )
    return found


def _listing(asked: DataSettings) -> Listing:
    if asked.source in SOURCES:
        return SOURCES[asked.source]()
    path = Path(asked.source)
    return table.listing(path, asked) if table.is_table(path) else folder.listing(path)
