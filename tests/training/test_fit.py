"""Fitting an estimator: what it answers, that it repeats, and what is on disk afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.core.trial import EpochReport, TrialResult, TrialSpec
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import ArchitectureError
from mineralsweep.models.colour_texture import ESTIMATORS
from mineralsweep.search.task import examples
from mineralsweep.serving import network
from mineralsweep.training.fit import fit_trial
from tests.examples import trial

SIDE = 32


def spec(dataset: Dataset, folder: Path, **changes: Any) -> TrialSpec:
    settings = {"image_size": (SIDE, SIDE), "examples": examples(dataset, (SIDE, SIDE)), "trees": 8}
    return trial(dataset, folder, architecture="colour_texture", **{**settings, **changes})


def fit(spec: TrialSpec, threads: int = 1) -> TrialResult:
    return fit_trial(spec, lambda epoch: None, threads=threads)


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_it_learns_reports_once_and_answers_from_disk_as_it_did(
    dataset: Dataset, tmp_path: Path, name: str
) -> None:
    reports: list[EpochReport] = []
    asked = spec(dataset, tmp_path / "m", estimator=name)
    result = fit_trial(asked, reports.append)
    assert tuple(reports) == result.history
    assert len(reports) == 1
    assert reports[0].val_accuracy > 0.8  # the classes are three colours
    assert "learning_rate" not in reports[0].metrics()
    assert result.probabilities.dtype == np.float32
    assert result.probabilities.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert (result.parameters, result.trainable, result.flops) == (None, None, None)
    loaded = network.load(result.folder)
    images = np.asarray(arrays.load(asked.examples.arrays)[list(asked.examples.validation)])
    np.testing.assert_allclose(loaded.predict(images), result.probabilities, atol=1e-6)
    assert loaded.classes == dataset.classes
    assert loaded.image_size == (SIDE, SIDE)


def test_a_seed_gives_the_same_with_any_number_of_threads(dataset: Dataset, tmp_path: Path) -> None:
    first = fit(spec(dataset, tmp_path / "1"))
    second = fit(spec(dataset, tmp_path / "2"), threads=3)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    other = fit(spec(dataset, tmp_path / "3", seed=8))
    assert not np.array_equal(first.probabilities, other.probabilities)


def test_it_takes_the_columns_of_its_set_alone(dataset: Dataset, tmp_path: Path) -> None:
    results = [
        fit(spec(dataset, tmp_path / name, features=name, estimator="linear"))
        for name in ("colour", "texture")
    ]
    assert results[0].history[0].val_loss < results[1].history[0].val_loss  # colours differ alone


def test_a_reason_to_stop_is_noted(dataset: Dataset, tmp_path: Path) -> None:
    result = fit_trial(spec(dataset, tmp_path), lambda epoch: "time is up")
    assert result.stop_reason == "time is up"
    assert result.pruned


def test_its_parameters_are_those_it_has(dataset: Dataset, tmp_path: Path) -> None:
    asked = spec(dataset, tmp_path, learning_rate=0.5, epochs=30)
    assert asked.epochs == 1
    assert asked.params() == {
        "architecture": "colour_texture",
        "estimator": "vote",
        "trees": 8,
        "penalty": 1.0,
        "features": "whole",
        "image_size": "32x32",
        "seed": 7,
    }


def test_a_class_too_small_for_platt_is_said(make_folder: Any, tmp_path: Path) -> None:
    from mineralsweep.data.dataset import open_dataset

    few = open_dataset(DataSettings(str(make_folder(3)), "34/33/33", 0))
    with pytest.raises(ArchitectureError, match="svm: needs at least 3 training images a class"):
        fit(spec(few, tmp_path, estimator="svm", examples=examples(few, (SIDE, SIDE))))


@pytest.mark.slow
def test_a_worker_s_own_function_fits_it_too(dataset: Dataset, tmp_path: Path) -> None:
    from mineralsweep.training.run import run_trial

    result = run_trial(spec(dataset, tmp_path / "m"), lambda epoch: None)
    assert result.precision == "float64"
    assert (tmp_path / "m" / "estimator.skops").is_file()
