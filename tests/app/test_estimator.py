"""The classifier as scikit-learn has classifiers: its own checks, and its tools around ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

import mineralsweep as ms
from mineralsweep.errors import ConfigError, UnusableImage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
APPLY = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)
"""Those of scikit-learn that give no numbers for images."""


@pytest.fixture(autouse=True)
def _mlflow_is_here(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")


def quick(**changes: Any) -> ms.ImageClassifier:
    """Return what fits in a second: no folds, hand-crafted features."""
    return ms.ImageClassifier("colour_texture", image_size=64, **{"folds": 1, **changes})


def table_of(folder: Path) -> tuple[list[str], list[str]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in found], [path.parent.name for path in found]


@pytest.mark.parametrize("name", APPLY)
def test_scikit_learn_s_own_checks(name: str) -> None:
    getattr(estimator_checks, name)("ImageClassifier", quick())


def test_it_learns_answers_and_scores(make_folder: Callable[..., Path]) -> None:
    files, labels = table_of(make_folder(12))
    learned = quick().fit(files, labels)
    assert list(learned.classes_) == sorted(set(labels))
    probabilities = learned.predict_proba(files[:5])
    assert probabilities.shape == (5, len(learned.classes_))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    predicted = learned.predict(pd.Series(files[:5]))
    assert list(predicted) == list(learned.classes_[probabilities.argmax(axis=1)])
    assert learned.score(files, labels) > 0.9  # the classes are colours
    run = mlflow.MlflowClient().get_run(learned.training_.run_id)
    assert run.info.status == "FINISHED"
    assert learned.predict_proba([]).shape == (0, len(learned.classes_))
    with pytest.raises(UnusableImage, match=r"never\.jpg"):
        learned.predict(["never.jpg"])


def test_labels_may_be_numbers_and_files_a_column(make_folder: Callable[..., Path]) -> None:
    files, labels = table_of(make_folder(12))
    numbers = np.unique(labels, return_inverse=True)[1]
    learned = quick().fit(np.asarray(files, object)[:, None], numbers)
    assert set(learned.predict(files)) <= set(numbers)
    assert learned.predict(files).dtype == numbers.dtype


def test_labels_may_have_blanks_and_letters_of_two_marks(make_folder: Callable[..., Path]) -> None:
    files, labels = table_of(make_folder(12))
    odd = np.asarray([f" {one} e\u0301" for one in labels])
    learned = quick().fit(files, odd)
    assert set(learned.predict(files)) <= set(odd)
    with pytest.raises(ValueError, match="y: labels must differ"):
        quick().fit(files, [f"a{' ' * (place % 2)}" for place in range(len(files))])


def test_scikit_learn_s_tools_take_it(make_folder: Callable[..., Path]) -> None:
    files, labels = table_of(make_folder(16))
    piped = make_pipeline(FunctionTransformer(), quick())
    found = cross_val_predict(piped, np.asarray(files, object), labels, cv=2)
    assert np.mean(found == labels) > 0.9
    twin = clone(quick(random_state=3, hyperparameters={"penalty": 2.0}))
    assert (twin.random_state, twin.hyperparameters) == (3, {"penalty": 2.0})


def test_folds_are_fitted_on_all_in_the_end(make_folder: Callable[..., Path]) -> None:
    learned = quick(folds=3).fit(*table_of(make_folder(12)))
    assert learned.training_.record.folds == 3
    assert learned.score(*table_of(make_folder(12))) > 0.9


def test_what_can_not_be_learned_from_is_refused(make_folder: Callable[..., Path]) -> None:
    files, labels = table_of(make_folder(12))
    with pytest.raises(NotFittedError):
        quick().predict(files)
    with pytest.raises(ValueError, match="y: must hold a label a file"):
        quick().fit(files, labels[:-1])
    with pytest.raises(ValueError, match="X: must be a list"):
        quick().fit(files[0], labels)
    with pytest.raises(ValueError, match="shape"):
        quick().fit(np.zeros((len(files), 2)), labels)
    with pytest.raises(ConfigError, match="penalti"):
        quick(hyperparameters={"penalti": 1.0}).fit(files, labels)
    with pytest.raises(ValueError, match="label type"):
        quick().fit(files, np.linspace(0.0, 1.0, len(files)))
