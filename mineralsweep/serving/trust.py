"""Opening a skops file that anybody may have written: named types only, bounded, checked."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mineralsweep.errors import UntrustedModel

LARGEST = 2**30
"""Bytes that a file may unpack to. 1,000 trees on 400 images take about 60 MB."""

ASKED_FOR = (
    "sklearn.tree._tree.Tree",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)
"""Types that skops loads only when it is told to."""

ALLOWED = {
    *ASKED_FOR,
    "builtins.dict",
    "builtins.list",
    "builtins.str",
    "builtins.tuple",
    "numpy.float64",
    "numpy.int64",
    "numpy.ndarray",
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.ensemble._forest.ExtraTreesClassifier",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._voting.VotingClassifier",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.svm._classes.SVC",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._classes.ExtraTreeClassifier",
}
"""All that a file may name: what our estimators are made of, and nothing else."""

LOADERS = {
    "DictNode", "JsonNode", "ListNode", "NdArrayNode", "ObjectNode", "TreeNode", "TupleNode",
    "TypeNode",
}  # fmt: skip


def load(path: Path, columns: int) -> Any:
    """Return the estimator in a skops file.

    Args:
        path: the file.
        columns: numbers an image that it is to take.

    Raises:
        UntrustedModel: it names a type or a way of loading that is not on our list, would unpack
            to too much, takes other numbers, or holds a tree with a broken link.
        OSError, ValueError: it can't be read.
    """
    import skops.io

    _check_names(path)
    estimator = skops.io.load(path, trusted=list(ASKED_FOR))
    if getattr(estimator, "n_features_in_", None) != columns:
        raise UntrustedModel(f"{path}: does not take the {columns} numbers of its set")
    for tree in _trees(estimator):
        _check_links(path, tree, columns)
    return estimator


def _check_names(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
            if size > LARGEST:
                raise UntrustedModel(f"{path}: unpacks to {size} bytes; at most {LARGEST} are read")
            schema = json.loads(packed.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, RecursionError) as error:
        raise ValueError(f"{path}: is no skops file: {error}") from None
    for node in _nodes(schema):
        name = f"{node.get('__module__')}.{node['__class__']}"
        loader = node.get("__loader__")
        if name not in ALLOWED or loader not in LOADERS:
            raise UntrustedModel(
                f"{path}: names {name}, loaded as {loader}, which no model of ours holds; nothing"
                " of it was loaded"
            )


def check_unpacked(path: Path, most: int) -> None:
    """Raise ValueError where an archive of arrays is damaged, or unpacks to over `most` bytes."""
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: is no archive of arrays: {error}") from None
    if size > most:
        raise ValueError(f"{path}: unpacks to {size} bytes; at most {most} are read")


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "__class__" in one:
                yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _trees(estimator: Any) -> Iterator[Any]:
    """Give the trees of an estimator, and of those within it."""
    if hasattr(estimator, "tree_"):
        yield estimator.tree_
    within = [
        *getattr(estimator, "estimators_", []),
        *dict(getattr(estimator, "steps", [])).values(),
        *getattr(estimator, "calibrated_classifiers_", []),
        *([estimator.estimator] if hasattr(estimator, "estimator") else []),
    ]
    for one in within:
        yield from _trees(one)


def _check_links(path: Path, tree: Any, columns: int) -> None:
    """scikit-learn follows a tree's links and reads its columns without looking: we look first."""
    place = np.arange(tree.node_count)
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    good = (
        tree.n_features == columns
        and (right[inner] != -1).all()
        and all(
            ((place[inner] < child[inner]) & (child[inner] < tree.node_count)).all()
            for child in (left, right)
        )
        and ((tree.feature[inner] >= 0) & (tree.feature[inner] < columns)).all()
    )
    if not good:
        raise UntrustedModel(f"{path}: holds a tree with a broken link")
