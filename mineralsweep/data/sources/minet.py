"""Kaggle's "Minerals Identification Dataset", of which the original kept three classes."""

from __future__ import annotations

from pathlib import Path

from mineralsweep.errors import DataError

MINET = "asiedubrempong/minerals-identification-dataset"
ORIGINAL_CLASSES: tuple[str, ...] = ("biotite", "bornite", "chrysocolla")
"""The three of its seven classes that the study kept."""


def fetch() -> Path:
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
