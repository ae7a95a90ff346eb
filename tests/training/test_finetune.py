"""Fine-tuning a pretrained backbone from a probe's solution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.activations import store
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset
from tests.examples import trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SIZE = (64, 64)
POOLING = "mean_and_deviation"  # quicker to trace than the other


def spec(dataset: Dataset, folder: Path, **changes: Any) -> Any:
    from mineralsweep.search.task import examples

    found = examples(dataset, SIZE)
    settings = {
        "architecture": "finetune", "optimizer": "adamw", "image_size": SIZE, "examples": found,
        "weights": "none", "precision": "float32", "learning_rate": 1e-3,
    }  # fmt: skip
    return trial(dataset, folder, **{**settings, **changes})


def run(asked: Any) -> Any:
    from mineralsweep.training.run import run_trial

    return run_trial(asked, lambda report: None)


@pytest.mark.parametrize(
    ("unfrozen", "pooling"),
    [(0, "mean_and_deviation"), (2, "covariance"), (8, "mean_and_deviation")],
)
def test_the_saved_network_answers_from_pixels_what_the_trained_part_answered(
    dataset: Dataset, tmp_path: Path, unfrozen: int, pooling: str
) -> None:
    from mineralsweep.serving import network

    asked = spec(
        dataset, tmp_path / "m", unfrozen_stages=unfrozen, pooling=pooling, augmentation=0.3
    )
    result = run(asked)
    loaded = network.load(result.folder)
    images = arrays.load(asked.examples.arrays)[list(asked.examples.validation)]
    found = loaded.predict(np.asarray(images))
    np.testing.assert_allclose(found, result.probabilities, atol=0.05)
    assert loaded.flips == "horizontal"  # type: ignore[attr-defined]


@pytest.mark.parametrize("unfrozen", [1, 8])
def test_batch_normalisation_keeps_its_statistics_through_an_epoch(
    dataset: Dataset, tmp_path: Path, unfrozen: int
) -> None:
    import keras
    from keras import layers

    from mineralsweep.models import get
    from mineralsweep.serving import network

    asked = spec(
        dataset, tmp_path / "m", unfrozen_stages=unfrozen, epochs=1, pooling=POOLING, head="random"
    )
    keras.utils.set_random_seed(asked.seed)
    keras.utils.clear_session()
    keras.utils.set_random_seed(asked.seed)
    before = get("finetune").build((*SIZE, 3), 3, **asked.hyperparameters)
    after = network.load(run(asked).folder).model  # type: ignore[attr-defined]
    trunks = [one.get_layer("efficientnet_lite0") for one in (before, after)]
    moved = 0
    for ours, theirs in zip(trunks[0].layers, trunks[1].layers, strict=True):
        if isinstance(ours, layers.BatchNormalization):
            for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            pairs = zip(ours.get_weights(), theirs.get_weights(), strict=True)
            moved += any(not np.array_equal(one, other) for one, other in pairs)
    trained = [layer for layer in trunks[0].layers if layer.trainable and layer.weights]
    assert moved == len(trained) > 0  # the same first weights, and all of these have moved


def test_it_starts_from_the_solution_of_a_linear_model(dataset: Dataset, tmp_path: Path) -> None:
    still: dict[str, Any] = {"learning_rate": 1e-8, "epochs": 1, "unfrozen_stages": 0}
    fitted = run(spec(dataset, tmp_path / "a", **still))
    random = run(spec(dataset, tmp_path / "b", **still, head="random"))
    assert fitted.history[0].train_accuracy == 1.0
    assert fitted.history[0].train_loss < 0.5 * random.history[0].train_loss


def test_a_start_that_no_epoch_betters_is_kept(dataset: Dataset, tmp_path: Path) -> None:
    """Also where training goes on from a checkpoint."""
    from dataclasses import replace

    asked = spec(
        dataset, tmp_path / "a", epochs=2, pooling=POOLING, learning_rate=10.0,
        checkpoint=tmp_path / "state", keep_last=True,
    )  # fmt: skip
    moved = run(asked)
    assert moved.history[0].val_loss > 1  # every epoch is far worse
    still = run(
        replace(asked, folder=tmp_path / "b", learning_rate=1e-9, epochs=1, checkpoint=None)
    )
    assert moved.best_epoch == still.best_epoch == 0
    np.testing.assert_allclose(moved.probabilities, still.probabilities, atol=1e-5)
    again = run(replace(asked, folder=tmp_path / "c", epochs=3))
    assert (len(again.history), again.best_epoch) == (3, 0)
    np.testing.assert_allclose(again.probabilities, moved.probabilities, atol=1e-6)


def test_lower_stages_move_less(dataset: Dataset, tmp_path: Path) -> None:
    import keras

    from mineralsweep.models import finetune, get

    settings = {"weights": "none", "unfrozen_stages": 8, "layer_decay": 0.5}
    model = get("finetune").build((*SIZE, 3), 3, **settings)
    found = finetune.factors(model, {**get("finetune").defaults(), **settings})
    trunk = model.get_layer("efficientnet_lite0")
    rates = [found[id(one.kernel)] for one in trunk.layers if isinstance(one, keras.layers.Conv2D)]
    kinds = sorted(set(rates))
    assert kinds == [0.5**power for power in range(5, 0, -1)]
    assert rates == sorted(rates)
    assert all(id(one) not in found for one in model.layers[-1].weights)


def test_folds_share_what_they_keep(dataset: Dataset, tmp_path: Path) -> None:
    from dataclasses import replace

    from mineralsweep.core.trial import Fold

    settings = {"views": 2, "flips": "none", "weights": "imagenet", "pooling": POOLING}
    asked = spec(dataset, tmp_path / "m", augmentation=0.5, **settings)
    rows = tuple(sorted((*asked.examples.train, *asked.examples.validation)))
    labels = tuple(dataset.labels()[row] for row in rows)
    whole = replace(
        asked.examples, train=rows, train_labels=labels, validation=rows, validation_labels=labels
    )
    counts = []
    for fold in range(3):
        part = whole.of_fold(Fold(
            tuple(row for i, row in enumerate(rows) if i % 3 != fold), rows[fold::3]
        ))  # fmt: skip
        run(replace(asked, examples=part, folder=tmp_path / str(fold), seed=fold, views_seed=0))
        counts.append(len(store.stored()))
    assert counts[0] == counts[1] == counts[2] > 0


def test_more_stages_than_there_are_train_all_of_it(dataset: Dataset, tmp_path: Path) -> None:
    counts = [
        run(
            spec(dataset, tmp_path / str(stages), unfrozen_stages=stages, epochs=1, pooling=POOLING)
        ).trainable
        for stages in (4, 5, 8)
    ]
    assert counts[0] < counts[1] == counts[2]
