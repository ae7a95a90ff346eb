"""A classifier of photographs as scikit-learn has classifiers: for pipelines and its own scores."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted

from mineralsweep.app import interface
from mineralsweep.errors import UnusableImage

if TYPE_CHECKING:
    from sklearn.utils import Tags


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Trains one architecture on files of images, and classifies others.

    Each `fit` is a training of mineralsweep: a run in MLflow, with its curves and its model.

    Args:
        architecture: one of README's models, or a network of your own.
        hyperparameters: of the architecture, by name; None: its own.
        image_size: the side of the square that images are resized to; None: the architecture's own.
        epochs: at most; None: the architecture's own.
        folds: the training is validated on so many parts of the images in turn, and a probe or
            hand-crafted features are fitted on all of them in the end; 1: on a fifth of them, once.
        overrides: other entries of a sweep file by their dotted names.
        random_state: the seed of the training and of its divisions.

    Attributes:
        classes_: the labels, sorted: the order of `predict_proba`'s columns.
        training_: what `mineralsweep.train` gave: its validation scores, its run.
        model_: what answers: the `Champion` of that training.
        n_features_in_: 1, the file.
    """

    def __init__(
        self,
        architecture: str = "probe",
        *,
        hyperparameters: Mapping[str, Any] | None = None,
        image_size: int | None = None,
        epochs: int | None = None,
        folds: int = 5,
        overrides: Mapping[str, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        self.architecture = architecture
        self.hyperparameters = hyperparameters
        self.image_size = image_size
        self.epochs = epochs
        self.folds = folds
        self.overrides = overrides
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train.

        Args:
            X: n files: a list, an array of shape (n,) or (n, 1), or a DataFrame's column.
            y: n labels.

        Raises:
            ValueError: `X` and `y` are not of one length, `X` is no list of files, or `y` has
                numbers that are no classes, or texts that differ in blanks alone.
            InputError: the images or the settings can't be used; nothing was trained.
            RunError: the training failed; its run says why.
        """
        import pandas as pd

        files, labels = _files(X), np.asarray(y)
        if labels.shape != (len(files),):
            raise ValueError(
                f"y: must hold a label a file, shape ({len(files)},), got shape {labels.shape}"
            )
        check_classification_targets(labels)
        classes = unique_labels(labels)
        if len(set(_names(classes))) < len(classes) or "" in _names(classes):
            raise ValueError(
                f"y: labels must differ as text, and not be empty, got {list(classes)}"
            )
        self.training_ = interface.train(
            self.architecture,
            data=pd.DataFrame(
                {"file": files, "label": _names(labels), "split": self._parts(labels)}
            ),
            study=f"fit-{uuid.uuid4().hex[:12]}",
            epochs=self.epochs,
            overrides={**self._entries(), **(self.overrides or {})},
            **(self.hyperparameters or {}),
        )
        self.model_ = self.training_.model()
        self.classes_ = classes
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return n labels for n files; see `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return float64 (n, classes), each row adds up to 1.

        Raises:
            UnusableImage: a file can't be used; the message names it.
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self)
        answers = self.model_.predict(_files(X))
        unusable = answers[answers["reason"] != ""]
        if len(unusable):
            first = unusable.iloc[0]
            raise UnusableImage(f"{first['image']}: {first['reason']}")
        names = _names(self.classes_)
        rows = [[one[name] for name in names] for one in answers["probabilities"]]
        return np.asarray(rows, np.float64).reshape(len(answers), len(names))

    def _entries(self) -> dict[str, Any]:
        # Without folds, a fifth of what is no test image is validated on.
        entries: dict[str, Any] = {"data.split": "72/18/10", "folds": self.folds}
        entries |= {"seed": self.random_state, "data.split_seed": self.random_state}
        if self.image_size is not None:
            entries["image_size"] = self.image_size
        return entries

    def _parts(self, labels: NDArray[Any]) -> list[str]:
        """Put one image a class into the test part: who calls holds back what is to be tested."""
        draw = np.random.default_rng(self.random_state)
        parts = np.full(len(labels), "train", object)
        for one in np.unique(labels):
            parts[draw.choice(np.flatnonzero(labels == one))] = "test"
        return list(parts)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _names(labels: Any) -> list[str]:
    """Return labels as a table of images has them."""
    return [unicodedata.normalize("NFC", str(one)).strip() for one in labels]


def _files(several: Any) -> list[str]:
    """Return the files' names.

    Raises:
        ValueError: they are in no column of their own.
    """
    if isinstance(several, str):
        raise ValueError(f"X: must be a list of files, got the text '{several}'")
    files = several if isinstance(several, Sequence) else np.asarray(several, object)
    if isinstance(files, np.ndarray) and files.ndim == 2 and files.shape[1] == 1:
        files = files[:, 0]
    if isinstance(files, np.ndarray) and files.ndim != 1:
        raise ValueError(f"X: must be n files, shape (n,) or (n, 1), got shape {files.shape}")
    return [str(one[0]) if isinstance(one, list | tuple) else str(one) for one in files]
