"""A vote: each voter has its own part of the trial, and the mean of all answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.core.trial import EpochReport, TrialResult, TrialSpec
from mineralsweep.data.dataset import Dataset
from mineralsweep.models import ARCHITECTURES
from mineralsweep.search.specify import Conditions, specify
from mineralsweep.training.vote import run_vote
from tests.examples import trial

ANSWERS = {
    "compact": [[0.8, 0.1, 0.1]],
    "model2_1": [[0.6, 0.2, 0.2]],
    "colour_texture": [[0.2, 0.5, 0.3]],
}
EPOCH = EpochReport(1, 1.0, 0.5, 1.0, 0.5, 0.1, 1.0)


class Trainer:
    """Writes a folder with a name in it and reports one epoch, instead of training."""

    def __init__(self) -> None:
        self.specs: list[TrialSpec] = []

    def __call__(self, spec: TrialSpec, report: Any, say: Any) -> TrialResult:
        self.specs.append(spec)
        spec.folder.mkdir(parents=True, exist_ok=True)
        (spec.folder / "voter").write_text(spec.architecture)
        reason = report(EPOCH)
        return TrialResult(
            (EPOCH,), 1, np.array(ANSWERS[spec.architecture], np.float32), reason,
            reason is not None, 5, 5, 7, "float32", spec.folder, 2.0,
        )  # fmt: skip


@pytest.fixture
def spec(dataset: Dataset, tmp_path: Path) -> TrialSpec:
    return trial(
        dataset, tmp_path / "m", architecture="compact+colour_texture", dropout=0.3, trees=9
    )


def test_each_voter_gets_the_hyperparameters_that_are_its_own(spec: TrialSpec) -> None:
    trainer = Trainer()
    run_vote(spec, lambda report: None, print, trainer)
    network, estimator = trainer.specs
    assert network.hyperparameters.keys() == ARCHITECTURES["compact"].defaults().keys()
    assert network.hyperparameters["dropout"] == 0.3
    assert estimator.hyperparameters.keys() == ARCHITECTURES["colour_texture"].defaults().keys()
    assert estimator.hyperparameters["trees"] == 9
    assert network.recipe == spec.recipe == ARCHITECTURES["compact"].recipe


def test_a_second_network_keeps_what_is_its_own(dataset: Dataset, tmp_path: Path) -> None:
    asked = trial(
        dataset, tmp_path / "m", architecture="vgg16+compact", learning_rate=None, optimizer="adam",
        unfrozen=8, deepest={"unfrozen": 8},
    )  # fmt: skip
    vgg16, compact = asked.voters
    assert (vgg16.deepest, compact.deepest) == (8, 0)
    assert compact.learning_rate == ARCHITECTURES["compact"].learning_rate != vgg16.learning_rate
    assert compact.recipe == ARCHITECTURES["compact"].recipe != vgg16.recipe


def test_mirror_images_are_those_of_the_whole_vote(spec: TrialSpec) -> None:
    params = {"architecture": "probe+finetune", "flips": "all"}
    asked = specify(params, Conditions(epochs=1), spec.examples, spec.image_size, spec.folder)
    probe, network = asked.voters
    assert probe.hyperparameters["flips"] == network.recipe.flips == "all"
    assert asked.params()["flips"] == "all"


def test_the_answer_is_the_mean_and_the_folder_holds_all(spec: TrialSpec) -> None:
    reports: list[EpochReport] = []
    result = run_vote(spec, reports.append, print, Trainer())
    np.testing.assert_allclose(result.probabilities, [[0.5, 0.3, 0.2]])
    assert result.probabilities.dtype == np.float32
    assert reports == [EPOCH]  # the network's alone
    assert result.seconds == 4.0
    assert result.folder == spec.folder
    members = spec.folder / "members"
    assert [(members / place / "voter").read_text() for place in "01"] == [
        "compact", "colour_texture",
    ]  # fmt: skip
    assert sorted(path.name for path in spec.folder.iterdir()) == ["classes.json", "members"]
    assert json.loads((spec.folder / "classes.json").read_text()) == list(spec.examples.classes)


def test_a_network_reports_wherever_it_stands(dataset: Dataset, tmp_path: Path) -> None:
    trainer, reports, said = Trainer(), [], []
    asked = trial(dataset, tmp_path / "m", architecture="colour_texture+compact")
    result = run_vote(asked, reports.append, said.append, trainer)
    assert [spec.architecture for spec in trainer.specs] == ["compact", "colour_texture"]
    assert (reports, said, result.parameters) == ([EPOCH], ["colour_texture, epoch 1"], 5)
    members = asked.folder / "members"
    assert [(members / place / "voter").read_text() for place in "01"] == [
        "colour_texture", "compact",
    ]  # fmt: skip


def test_after_a_reason_to_stop_no_other_network_is_trained(
    dataset: Dataset, tmp_path: Path
) -> None:
    asked = trial(dataset, tmp_path / "m", architecture="colour_texture+model2_1+compact")
    trainer = Trainer()
    result = run_vote(asked, lambda report: "too low", print, trainer)
    assert [spec.architecture for spec in trainer.specs] == ["model2_1", "colour_texture"]
    assert result.pruned
    assert len(list((asked.folder / "members").iterdir())) == 2


def test_what_a_killed_attempt_left_is_written_over(spec: TrialSpec) -> None:
    left = spec.folder / "members" / "0"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    run_vote(spec, lambda report: None, print, Trainer())
    assert [path.name for path in left.iterdir()] == ["voter"]


def test_a_reason_to_stop_is_the_vote_s(spec: TrialSpec) -> None:
    result = run_vote(spec, lambda report: "too low", print, Trainer())
    assert (result.stop_reason, result.pruned) == ("too low", True)
