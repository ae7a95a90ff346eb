"""Several networks as one: combined, found, loaded, and answering with their mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mineralsweep.serving import ensemble, network


class Constant:
    """A classifier that gives every image the same answer."""

    def __init__(self, folder: Path) -> None:
        data = json.loads((folder / "answer.json").read_text())
        self.answer, self.classes = data["answer"], tuple(data["classes"])
        self.image_size = tuple(data["image_size"])

    def predict(self, images: object) -> np.ndarray:
        return np.tile(np.asarray(self.answer, np.float32), (len(images), 1))  # type: ignore[arg-type]


def member(folder: Path, answer: list[float], classes: str = "ab", side: int = 8) -> Path:
    folder.mkdir(parents=True)
    data = {"answer": answer, "classes": list(classes), "image_size": [side, side]}
    (folder / "answer.json").write_text(json.dumps(data))
    return folder


def test_the_answer_is_the_mean_of_the_members(tmp_path: Path) -> None:
    folders = [member(tmp_path / "x" / str(i), [i / 10, 1 - i / 10]) for i in range(12)]
    ensemble.combine(folders, ["a", "b"], tmp_path / "t")
    assert not any(folder.exists() for folder in folders)
    loaded = ensemble.load(tmp_path / "t", Constant)  # type: ignore[arg-type]
    assert [one.answer[0] for one in loaded.members] == [i / 10 for i in range(12)]  # type: ignore[attr-defined]
    assert loaded.classes == ("a", "b")
    assert loaded.image_size == (8, 8)
    whole = ensemble.Ensemble((loaded, loaded.members[0]), loaded.classes)
    assert [weight for _, weight in whole.leaves()] == pytest.approx([1 / 24] * 12 + [1 / 2])
    found = loaded.predict(np.zeros((3, 8, 8, 3), np.uint8))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.tile([0.55, 0.45], (3, 1)))


@pytest.mark.parametrize(("classes", "side"), [("ba", 8), ("ab", 9)])
def test_members_that_differ_are_refused(tmp_path: Path, classes: str, side: int) -> None:
    folders = [
        member(tmp_path / "0", [0.5, 0.5]),
        member(tmp_path / "1", [0.5, 0.5], classes, side),
    ]
    ensemble.combine(folders, ["a", "b"], tmp_path / "t")
    with pytest.raises(ValueError, match=r"members/1: its classes or image size are not those"):
        ensemble.load(tmp_path / "t", Constant)  # type: ignore[arg-type]


def test_a_models_folder_is_the_outermost_one(tmp_path: Path) -> None:
    folders = [member(tmp_path / "x" / str(i), [0.5, 0.5]) for i in range(2)]
    for folder in folders:
        (folder / "classes.json").write_text("[]")
    ensemble.combine(folders, ["a", "b"], tmp_path / "model" / "artifacts" / "trial-000")
    assert network.find(tmp_path / "model") == tmp_path / "model" / "artifacts" / "trial-000"
    with pytest.raises(OSError, match="holds no trained model"):
        network.find(tmp_path / "x")
