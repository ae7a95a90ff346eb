"""Images by class, counted in training: the same numbers as scikit-learn's, and as Keras'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from mineralsweep.core.trial import EpochReport
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.training.watch import CountedAccuracy
from tests.examples import trial

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

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

    dataset = open_dataset(str(make_folder(15)), "40/30/30", 0)
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
def test_a_vote_reports_its_first_voter(dataset: Dataset, tmp_path: Path) -> None:
    from mineralsweep.training.run import run_trial

    spec = trial(dataset, tmp_path / "m", architecture="compact_texture", epochs=1)
    result = run_trial(spec, lambda report: None)
    assert np.sum(result.history[0].val_confusion) == len(spec.examples.validation_labels)
