"""Weights: averaged for a while, and which training changes; confusions counted in validation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from mineralsweep.core.trial import EpochReport
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.training.watch import CountedAccuracy
from tests.examples import trial

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def model(momentum: float | None) -> Any:
    import keras

    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    more = {} if momentum is None else {"use_ema": True, "ema_momentum": momentum}
    made.compile(keras.optimizers.SGD(0.1, **more), "mse")
    made.layers[0].kernel.assign([[1.0]])
    return made


def step(made: Any) -> float:
    made.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    return float(made.layers[0].kernel.numpy()[0, 0])


def kernel(made: Any) -> float:
    return float(made.get_weights()[0][0, 0])


def test_it_is_the_moving_average_of_the_weights_after_each_step() -> None:
    from mineralsweep.training.watch import averaged

    made = model(0.7)
    first, second, third = (step(made) for _ in range(3))
    expected = 0.7 * (0.7 * first + 0.3 * second) + 0.3 * third
    with averaged(made):
        assert kernel(made) == pytest.approx(expected, rel=1e-5)
    assert kernel(made) == pytest.approx(third)


def test_without_an_average_nothing_changes() -> None:
    from mineralsweep.training.watch import averaged

    made = model(None)
    last = step(made)
    with averaged(made):
        assert kernel(made) == last


def test_a_network_is_validated_with_its_averaged_weights() -> None:
    from mineralsweep.training.watch import ValidateAveraged, averaged

    made = model(0.9)
    for _ in range(3):
        last = step(made)
    data = np.ones((1, 1)), np.zeros((1, 1))
    plain = made.evaluate(*data, verbose=0)
    found = made.evaluate(*data, verbose=0, callbacks=[ValidateAveraged()])
    with averaged(made):
        assert found == pytest.approx(made.evaluate(*data, verbose=0), rel=1e-6)
    assert found != pytest.approx(plain, rel=1e-3)
    assert kernel(made) == last


def vgg16(unfrozen: int) -> Any:
    from mineralsweep.models import get

    return get("vgg16").build((32, 32, 3), 3, unfrozen=unfrozen, weights="none")


@pytest.mark.slow
@pytest.mark.parametrize(("unfrozen", "numbers"), [(0, 132_099), (4, 7_211_523)])
def test_a_frozen_trunk_is_not_copied(unfrozen: int, numbers: int) -> None:
    from mineralsweep.training.watch import changing

    model = vgg16(unfrozen)
    assert sum(int(np.prod(weight.shape)) for weight in changing(model)) == numbers
    assert [w.path for w in changing(model)] == [w.path for w in model.trainable_weights]
    assert model.count_params() == 14_846_787


def test_moving_statistics_are_kept_where_they_move() -> None:
    import keras

    from mineralsweep.training.watch import changing

    trunk = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization(name="frozen"),
         keras.layers.Dense(2), keras.layers.BatchNormalization(name="free")],
        name="trunk",
    )  # fmt: skip
    for layer in trunk.layers[:2]:
        layer.trainable = False
    model = keras.Sequential([keras.Input((4,)), trunk, keras.layers.Dense(1)])
    names = [weight.path.rpartition("/")[2] for weight in changing(model)]
    assert names == ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance",
                     "kernel", "bias"]  # fmt: skip
    trunk.trainable = False
    assert len(changing(model)) == 2


CASES = [
    {},
    {"architecture": "compact", "label_smoothing": 0.1},  # labels are shares of classes
    {"architecture": "colour_texture"},
]


@pytest.mark.parametrize("form", ["numbers", "a column", "shares"])
def test_it_counts_batches_and_its_share_is_keras_accuracy(form: str) -> None:
    import keras

    random = np.random.default_rng(0)
    labels, found = random.integers(0, 4, 103), random.random((103, 4)).astype(np.float32)
    shares = np.eye(4, dtype=np.float32)[labels] * 0.7 + 0.1
    given = {"numbers": labels, "a column": labels[:, None], "shares": shares}[form]
    kind = "Categorical" if form == "shares" else "SparseCategorical"
    theirs, ours = getattr(keras.metrics, f"{kind}Accuracy")(), CountedAccuracy(4)
    for start in range(0, 103, 32):
        batch = slice(start, start + 32)
        ours.update_state(given[batch], found[batch])
        theirs.update_state(given[batch], found[batch])
    expected = metrics.confusion_matrix(labels, found.argmax(axis=1))
    np.testing.assert_array_equal(ours.confusion(), expected)
    assert float(ours.result()) == float(theirs.result())
    ours.reset_state()
    assert ours.confusion().sum() == 0
    assert float(ours.result()) == 0


@pytest.mark.slow
@pytest.mark.parametrize("changes", CASES)
def test_every_epoch_tells_what_scikit_learn_would(
    make_folder: Callable[..., Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    from mineralsweep.training.run import run_trial

    dataset = open_dataset(DataSettings(str(make_folder(15)), "40/30/30", 0))
    reports: list[EpochReport] = []
    result = run_trial(trial(dataset, tmp_path / "m", epochs=3, **changes), reports.append)
    labels = trial(dataset, tmp_path).examples.validation_labels
    answers = result.probabilities.argmax(axis=1)
    best = result.history[result.best_epoch - 1]
    assert best.val_confusion == tuple(map(tuple, metrics.confusion_matrix(labels, answers)))
    logged = best.metrics()
    assert logged["val_macro_f1"] == pytest.approx(
        metrics.f1_score(labels, answers, average="macro")
    )
    assert logged["val_balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(labels, answers)
    )
    recalls = metrics.recall_score(labels, answers, average=None)
    assert logged["val_min_recall"] == pytest.approx(recalls.min())
    for report in reports:
        counts = np.asarray(report.val_confusion)
        assert counts.sum() == len(labels)
        assert np.trace(counts) / len(labels) == pytest.approx(report.val_accuracy, rel=1e-6)


@pytest.mark.slow
def test_a_vote_reports_its_network(dataset: Dataset, tmp_path: Path) -> None:
    from mineralsweep.training.run import run_trial

    spec = trial(dataset, tmp_path / "m", architecture="compact+colour_texture", epochs=1)
    result = run_trial(spec, lambda report: None)
    assert np.sum(result.history[0].val_confusion) == len(spec.examples.validation_labels)
