"""Fitting a probe: what it answers, from disk too, and what of it is computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.core.trial import TrialResult, TrialSpec
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import ArchitectureError
from mineralsweep.search.task import examples
from mineralsweep.serving import network
from mineralsweep.serving.pyfunc import requirements
from mineralsweep.training.run import run_trial
from tests.examples import trial

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SIDE = 64


def spec(dataset: Dataset, folder: Path, **changes: Any) -> TrialSpec:
    settings = {"image_size": (SIDE, SIDE), "weights": "imagenet", "precision": "float32"}
    return trial(dataset, folder, architecture="probe", **{**settings, **changes})


def run(spec: TrialSpec) -> tuple[TrialResult, list[str]]:
    said: list[str] = []
    return run_trial(spec, lambda epoch: None, said.append), said


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pooling": "mean_and_deviation", "stages": "top"},
        {"backbone": "mobilenetv2", "weights": "none", "stages": "stage2+stage4"},
        {"classifier": "svm", "flips": "none", "stages": "stage4"},
    ],
)
def test_it_learns_and_answers_from_disk_as_it_did(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any]
) -> None:
    asked = spec(dataset, tmp_path / "m", **changes)
    result, _ = run(asked)
    assert len(result.history) == 1
    assert result.history[0].val_accuracy > 0.8  # the classes are three colours
    assert result.probabilities.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    loaded = network.load(result.folder)
    images = np.asarray(arrays.load(asked.examples.arrays)[list(asked.examples.validation)])
    np.testing.assert_allclose(loaded.predict(images), result.probabilities, atol=5e-3)
    assert loaded.classes == dataset.classes
    assert loaded.image_size == (SIDE, SIDE)
    needed = {one.split("==")[0] for one in requirements(result.folder)}
    assert {"tensorflow", "keras", "scikit-learn", "skops"} <= needed


def test_folds_and_later_trials_share_what_the_backbone_answered(
    dataset: Dataset, tmp_path: Path
) -> None:
    divided = dataset.folds(3)
    pool = dataset.pool()
    told = []
    for number, (train, validation) in enumerate(divided):
        seen = examples(dataset, (SIDE, SIDE))
        labels = dataset.labels()
        of_fold = type(seen)(
            seen.arrays, seen.classes, train, tuple(labels[row] for row in train),
            validation, tuple(labels[row] for row in validation),
        )  # fmt: skip
        _, said = run(spec(dataset, tmp_path / str(number), examples=of_fold))
        told.append([one for one in said if one.startswith("backbone")])
    assert told == [[f"backbone, {len(pool)} images, view {view} of 2" for view in (1, 2)], [], []]
    _, said = run(spec(dataset, tmp_path / "more", penalty=10.0, pooling="mean_and_deviation"))
    assert not [one for one in said if one.startswith("backbone")]


def test_a_seed_gives_the_same(dataset: Dataset, tmp_path: Path) -> None:
    first, _ = run(spec(dataset, tmp_path / "1"))
    second, _ = run(spec(dataset, tmp_path / "2"))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_a_stage_of_another_backbone_is_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match="efficientnet_lite0: has no stage 'block3'"):
        run(spec(dataset, tmp_path, stages="block3+block4"))
