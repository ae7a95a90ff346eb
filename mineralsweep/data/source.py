"""The `data` setting -> a catalogue: a source by its name, or a folder.

The drawn sample needs no network; minet is Kaggle's "Minerals Identification Dataset".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mineralsweep import files
from mineralsweep.data import catalog, sample
from mineralsweep.data.catalog import Catalog
from mineralsweep.errors import DataError

Source = Callable[[Sequence[str] | None], Catalog]
"""The classes to keep (None: the source's own choice) -> the catalogue."""

SOURCES: dict[str, Source] = {
    "sample": lambda classes: catalog.read(sample.ensure(files.folder()), classes),
    "minet": lambda classes: catalog.read(fetch_minet(), classes or ORIGINAL_CLASSES),
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


MINET = "asiedubrempong/minerals-identification-dataset"
ORIGINAL_CLASSES: tuple[str, ...] = ("biotite", "bornite", "chrysocolla")
"""The three of its seven classes that the study kept."""


def fetch_minet() -> Path:
    """Download the data set, or find it in kagglehub's cache, and return its class folders' root.

    Raises:
        DataError: kagglehub is not installed, the data set can't be reached, or it has
            another layout than expected. The message says what to do.
    """
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            "data=minet: kagglehub is not installed; install the extra with"
            " pip install kagglehub, or download the data set by hand from Kaggle"
            f" ({MINET}) and give its minet folder: data=PATH"
        ) from None
    try:
        root = Path(kagglehub.dataset_download(MINET))
    except Exception as error:  # kagglehub raises its own, requests' and the system's errors
        raise DataError(
            f"data=minet: Kaggle can't be reached ({type(error).__name__}: {error});"
            " check the network and your Kaggle credentials, or download the data set by hand"
            f" ({MINET}) and give its minet folder: data=PATH"
        ) from error
    folder = next((path for path in (root / "minet", root) if (path / "biotite").is_dir()), None)
    if folder is None:
        raise DataError(
            f"data=minet: {root} has no folder minet/biotite; give the folder: data=PATH"
        )
    return folder
