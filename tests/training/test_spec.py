"""What a trial is made of, with the architectures' own defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mineralsweep.data.dataset import Dataset
from mineralsweep.models import ARCHITECTURES
from tests.examples import trial


def bare(dataset: Dataset, **params: Any) -> Any:
    return trial(dataset, Path("x"), learning_rate=None, **params)


@pytest.mark.parametrize(
    ("architecture", "optimizer", "rate", "batch"),
    [
        ("model1", "adam", 1e-4, 24),
        ("model2", "rmsprop", 1e-3, 32),
        ("model2_1", "rmsprop", 1e-3, 32),
        ("vgg16", "adam", 1e-6, 32),
    ],
)
def test_each_variant_has_the_study_s_settings(
    dataset: Dataset, architecture: str, optimizer: str, rate: float, batch: int
) -> None:
    own = ARCHITECTURES[architecture].optimizer
    spec = bare(dataset, architecture=architecture, optimizer=own)
    assert (spec.optimizer, spec.learning_rate, spec.batch_size) == (optimizer, rate, batch)


def test_model1_decays_its_rate_with_its_own_optimizer_only(dataset: Dataset) -> None:
    assert bare(dataset, architecture="model1", optimizer="adam").decay == 1e-5
    assert bare(dataset, architecture="model1", optimizer="sgd").decay == 0


def test_fine_tuning_defaults_to_a_small_rate(dataset: Dataset) -> None:
    assert bare(dataset, architecture="vgg16", unfrozen=4).learning_rate == 1e-5


def test_defaults_of_augmentation_and_dropout_are_the_study_s(dataset: Dataset) -> None:
    assert bare(dataset).hyperparameters == {"augmentation": 1.0, "dropout": 0.5}
    assert bare(dataset, architecture="model2").hyperparameters == {}
    assert bare(dataset, augmentation=0.0).hyperparameters["augmentation"] == 0.0


def test_the_weights_are_those_asked_for(dataset: Dataset) -> None:
    assert bare(dataset, architecture="vgg16").hyperparameters["weights"] == "none"


def test_params_tell_trials_apart(dataset: Dataset) -> None:
    params = trial(dataset, Path("x")).params()
    assert params["learning_rate"] == 1e-3
    assert params["image_size"] == "80x80"
    assert params["dropout"] == 0.5
