"""What a trial answered to images that it had not been trained on, as its run keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import mlflow
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import InputError
from mineralsweep.tracking.artifacts import PREDICTIONS


def answers(run_id: str, classes: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a trial's answers to images that it had not been trained on, and their labels.

    Returns:
        float64 (n, classes), and n columns.
    """
    table = _predictions(run_id)
    number = {name: place for place, name in enumerate(classes)}
    labels = [number[str(label)] for label in table["label"]]
    return table[[f"p_{name}" for name in classes]].to_numpy(np.float64), np.asarray(labels)


def _predictions(run_id: str) -> pd.DataFrame:
    told = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/{PREDICTIONS}"))
    return pd.DataFrame(told["data"], columns=told["columns"])


def folds(run_id: str, dataset: Dataset) -> int:
    """Return into how many folds a trial's pool was divided; 1: none.

    Raises:
        InputError: it is not known: the folds were repeated.
    """
    table = _predictions(run_id)
    if "fold" in table:
        return int(table["fold"].max())
    if len(table) > len(dataset.split.validation):
        raise InputError(f"run {run_id}: its folds were repeated; how many they are is not known")
    return 1
