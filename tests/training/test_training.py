"""Training for real, small: what is kept, what is repeatable, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.core.trial import EpochReport, TrialResult
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import ArchitectureError, TrainingDiverged
from mineralsweep.serving import network
from tests.examples import trial

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def train(spec: Any, report: Any = lambda epoch: None) -> TrialResult:
    from mineralsweep.training.run import run_trial

    return run_trial(spec, report)


def test_it_learns_and_the_best_epoch_is_kept(dataset: Dataset, tmp_path: Path) -> None:
    reports: list[EpochReport] = []
    result = train(trial(dataset, tmp_path / "m", epochs=8, augmentation=0.0), reports.append)
    assert tuple(reports) == result.history
    assert [report.epoch for report in reports] == list(range(1, 9))
    losses = [report.val_loss for report in reports]
    assert result.best_epoch == 1 + int(np.argmin(losses))
    assert max(report.val_accuracy for report in reports) > 0.8  # colours are easily told apart
    labels = trial(dataset, tmp_path).examples.validation_labels
    of_truth = result.probabilities[range(len(labels)), labels]
    assert -np.log(of_truth).mean() == pytest.approx(min(losses), rel=1e-3, abs=1e-3)
    assert not result.pruned
    assert result.stop_reason is None


def test_the_network_on_disk_answers_as_the_trained_one_did(
    dataset: Dataset, tmp_path: Path
) -> None:
    result = train(trial(dataset, tmp_path / "m"))
    loaded = network.load(result.folder)
    spec = trial(dataset, tmp_path)
    images = np.asarray(arrays.load(spec.examples.arrays)[list(spec.examples.validation)])
    np.testing.assert_allclose(loaded.predict(images), result.probabilities, atol=1e-5)
    assert loaded.classes == dataset.classes
    assert loaded.image_size == (80, 80)


def test_what_is_saved_has_no_augmentation_and_no_custom_layer(
    dataset: Dataset, tmp_path: Path
) -> None:
    result = train(trial(dataset, tmp_path / "m", epochs=1))
    names = [type(layer).__name__ for layer in network.load(result.folder).model.layers]
    assert not [name for name in names if name.startswith("Random")]


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "model2_1"},
        {"architecture": "compact", "mixup": 0.4, "balance": 0.5, "augmentation": 0.5},
        {"architecture": "vgg16", "unfrozen": 4, "image_size": (32, 32)},
    ],
)
def test_a_seed_gives_the_same_result_twice(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any]
) -> None:
    from mineralsweep.search.task import examples

    if "image_size" in changes:
        changes = {**changes, "examples": examples(dataset, changes["image_size"])}
    runs = [train(trial(dataset, tmp_path / str(i), **changes)) for i in range(2)]
    np.testing.assert_array_equal(runs[0].probabilities, runs[1].probabilities)
    losses = [[report.train_loss for report in run.history] for run in runs]
    assert losses[0] == losses[1]


def test_another_seed_gives_another_result(dataset: Dataset, tmp_path: Path) -> None:
    one, other = (
        train(trial(dataset, tmp_path / str(seed), epochs=1, seed=seed)) for seed in (7, 8)
    )
    assert not np.array_equal(one.probabilities, other.probabilities)


def test_a_recipe_s_network_on_disk_answers_as_the_averaged_and_flipped_one_did(
    dataset: Dataset, tmp_path: Path
) -> None:
    spec = trial(
        dataset, tmp_path / "m", architecture="compact", epochs=3, flips="all", batch_size=6
    )
    result = train(spec)
    loaded = network.load(result.folder)
    images = np.asarray(arrays.load(spec.examples.arrays)[list(spec.examples.validation)])
    np.testing.assert_allclose(loaded.predict(images), result.probabilities, atol=1e-5)
    np.testing.assert_allclose(
        loaded.predict(images[:, ::-1, ::-1]), result.probabilities, atol=1e-5
    )
    # The loss of each epoch is that of the weights that are kept: the averaged ones, unflipped.
    labels = list(spec.examples.validation_labels)
    of_truth = np.asarray(loaded.model(images))[range(len(labels)), labels]
    lowest = min(report.val_loss for report in result.history)
    assert -np.log(of_truth).mean() == pytest.approx(lowest, rel=1e-3)
    assert result.history[-1].learning_rate < result.history[0].learning_rate
    assert result.precision == "float32"


def test_every_option_works_with_a_network_of_the_study(dataset: Dataset, tmp_path: Path) -> None:
    from mineralsweep.search.task import examples

    options: dict[str, Any] = {
        "schedule": "cosine", "warmup": 1, "weight_decay": 0.01, "label_smoothing": 0.1,
        "mixup": 0.2, "colour": 0.5, "crop": 0.5, "balance": 1.0, "average_weights": 0.5,
        "flips": "all",
    }  # fmt: skip
    small = {"image_size": (40, 40), "examples": examples(dataset, (40, 40))}
    spec = trial(dataset, tmp_path / "m", architecture="model1", **small, **options)
    assert spec.recipe.differing() == options
    result = train(spec)
    assert [report.epoch for report in result.history] == [1, 2]
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, rtol=1e-5)


def test_a_vote_on_disk_answers_with_the_mean_of_its_voters(
    dataset: Dataset, tmp_path: Path
) -> None:
    spec = trial(
        dataset, tmp_path / "m", architecture="compact+colour_texture", epochs=2, width=4, trees=5
    )
    reports: list[EpochReport] = []
    result = train(spec, reports.append)
    assert [report.epoch for report in reports] == [1, 2]
    assert sorted(path.name for path in result.folder.iterdir()) == ["classes.json", "members"]
    loaded = network.load(result.folder)
    images = np.asarray(arrays.load(spec.examples.arrays)[list(spec.examples.validation)])
    np.testing.assert_allclose(loaded.predict(images), result.probabilities, atol=1e-5)
    voters = [network.load(result.folder / "members" / place) for place in "01"]
    mean = sum(voter.predict(images) for voter in voters) / 2
    np.testing.assert_allclose(result.probabilities, mean, atol=1e-5)


def test_patience_ends_training_early(dataset: Dataset, tmp_path: Path) -> None:
    # A rate so high that the loss jumps: soon an epoch brings nothing lower.
    spec = trial(dataset, tmp_path / "m", epochs=60, patience=1, learning_rate=0.01)
    result = train(spec)
    assert len(result.history) < 60
    assert result.stop_reason == "no lower validation loss for 1 epochs"
    assert not result.pruned
    assert len(result.history) == result.best_epoch + 1


@pytest.mark.parametrize("architecture", ["model2", "compact"])
def test_a_given_epoch_is_the_last_and_its_weights_are_kept(
    dataset: Dataset, tmp_path: Path, architecture: str
) -> None:
    settings = {"architecture": architecture, "epochs": 4}
    free = train(trial(dataset, tmp_path / "free", **settings))
    losses = [report.val_loss for report in free.history]
    best, worst = free.best_epoch, 1 + int(np.argmax(losses))
    labels = np.asarray(trial(dataset, tmp_path).examples.validation_labels)
    for epoch in (best, worst):
        spec = trial(dataset, tmp_path / str(epoch), **settings, patience=1)
        kept = train(replace(spec, kept_epoch=epoch))
        assert [report.val_loss for report in kept.history] == losses[:epoch]
        assert (kept.best_epoch, kept.pruned) == (epoch, False)
        of_truth = kept.probabilities[np.arange(len(labels)), labels]
        assert -np.log(of_truth).mean() == pytest.approx(losses[epoch - 1], rel=0.1)
        assert (kept.probabilities == free.probabilities).all() == (epoch == best)


def test_a_fitted_head_is_kept_where_no_epoch_is(dataset: Dataset, tmp_path: Path) -> None:
    settings = {"architecture": "finetune", "backbone": "mobilenetv2", "head": "fitted"}
    spec = trial(dataset, tmp_path / "m", epochs=3, weights="none", **settings)
    result = train(replace(spec, kept_epoch=0))
    assert (result.best_epoch, len(result.history)) == (0, 1)
    assert result.history[0].train_accuracy > 0


def test_a_report_s_reason_stops_it(dataset: Dataset, tmp_path: Path) -> None:
    result = train(
        trial(dataset, tmp_path / "m", epochs=5),
        lambda report: "too low" if report.epoch == 2 else None,
    )
    assert len(result.history) == 2
    assert result.stop_reason == "too low"
    assert result.pruned


def test_a_loss_that_is_no_number_ends_with_that_reason(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"loss became (nan|inf) in epoch \d+"):
        train(trial(dataset, tmp_path / "m", optimizer="sgd", learning_rate=10.0, epochs=20))


def test_counts_and_operations(dataset: Dataset, tmp_path: Path) -> None:
    from mineralsweep.models import ARCHITECTURES
    from mineralsweep.training.run import count_flops

    result = train(trial(dataset, tmp_path / "m", epochs=1))
    assert result.trainable == result.parameters > 900_000
    vgg16 = ARCHITECTURES["vgg16"].build((180, 180, 3), 3, weights="none")
    assert count_flops(vgg16.get_layer("trunk")) / 1e9 == pytest.approx(19.5, abs=0.3)


OWN = """
import keras
from keras import layers


@keras.saving.register_keras_serializable("mine")
class Scale(layers.Layer):
    def call(self, images):
        return images / 255


def network(first, input_shape, num_classes):
    inputs = keras.Input(input_shape)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=4)(first(inputs)))
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))


def build(input_shape, num_classes):
    return network(Scale(), input_shape, num_classes)


def anonymous(input_shape, num_classes):
    return network(layers.Lambda(lambda images: images / 255), input_shape, num_classes)
"""


def test_a_network_with_layers_of_the_user_s_is_saved_with_their_file(
    dataset: Dataset, tmp_path: Path
) -> None:
    file = tmp_path / "my_nets.py"
    file.write_text(OWN)
    spec = trial(dataset, tmp_path / "m", architecture=f"{file}:build")
    result = train(spec)
    file.unlink()
    images = np.asarray(arrays.load(spec.examples.arrays)[list(spec.examples.validation)])
    loaded = network.load(result.folder)
    np.testing.assert_allclose(loaded.predict(images), result.probabilities, atol=1e-5)


def test_a_network_that_can_t_be_saved_is_refused_before_it_is_trained(
    dataset: Dataset, tmp_path: Path
) -> None:
    file = tmp_path / "my_nets.py"
    file.write_text(OWN)
    reports: list[EpochReport] = []
    with pytest.raises(ArchitectureError, match="a lambda can't be saved"):
        train(trial(dataset, tmp_path / "m", architecture=f"{file}:anonymous"), reports.append)
    assert reports == []
