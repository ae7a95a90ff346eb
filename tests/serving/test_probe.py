"""A probe on disk: the same answers after loading, and nothing in its files is executed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.dummy import DummyClassifier

from mineralsweep.errors import UntrustedModel
from mineralsweep.serving import probe
from mineralsweep.serving.ensemble import Ensemble
from mineralsweep.serving.probe import Probe
from tests import tiny
from tests.tiny import CLASSES, SIDE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def images() -> np.ndarray:
    return tiny.images()


@pytest.fixture
def fitted() -> Probe:
    return tiny.probe()


def test_a_loaded_probe_answers_the_same(fitted: Probe, images: np.ndarray, tmp_path: Path) -> None:
    probe.save(fitted, tmp_path / "p")
    loaded = probe.load(tmp_path / "p")
    answers = fitted.predict(images)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    assert (answers[:, 1] == 0).all()
    np.testing.assert_allclose(loaded.predict(images), answers, atol=1e-6)
    assert (loaded.classes, loaded.image_size, loaded.flips) == (
        CLASSES,
        (SIDE, SIDE),
        "horizontal",
    )
    np.testing.assert_allclose(loaded.predict(images[3:5]), answers[3:5], atol=1e-6)
    assert loaded.predict(images[:0]).shape == (0, 3)


def test_it_is_the_mean_of_its_stages(fitted: Probe, images: np.ndarray) -> None:
    alone = []
    for place, member in enumerate(fitted.members):
        prepared = fitted.prepare(images)
        alone.append(member.answer(member.numbers(prepared[place]), 3))
    np.testing.assert_allclose(fitted.predict(images), np.mean(alone, axis=0), atol=1e-6)


def test_with_every_view_a_mirrored_image_is_the_same_image(
    fitted: Probe, images: np.ndarray
) -> None:
    answers = replace(fitted, flips="all").predict(images)
    for axes in ((1,), (2,), (1, 2)):
        mirrored = replace(fitted, flips="all").predict(np.flip(images, axes))
        np.testing.assert_allclose(mirrored, answers, atol=1e-5)


def test_a_classifier_of_another_type_is_refused(fitted: Probe, tmp_path: Path) -> None:
    probe.save(fitted, tmp_path)
    other = DummyClassifier().fit(np.zeros((2, 10)), [0, 1])
    skops.io.dump(other, tmp_path / "fine.skops")
    with pytest.raises(UntrustedModel, match="DummyClassifier"):
        probe.load(tmp_path)


def test_pooling_of_other_channels_is_refused(fitted: Probe, tmp_path: Path) -> None:
    probe.save(fitted, tmp_path)
    directions = np.eye(4, dtype=np.float32)
    np.savez(tmp_path / probe.POOLING_FILE, **{"fine.directions": directions, "fine.ridge": 1.0})
    with pytest.raises(
        ValueError, match=r"directions of fine must be \(5, at most 5\), got \(4, 4\)"
    ):
        probe.load(tmp_path)


def test_a_damaged_or_swollen_pooling_is_refused(
    fitted: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe.save(fitted, tmp_path)
    monkeypatch.setattr(probe, "LARGEST_POOLING", 100)
    with pytest.raises(ValueError, match="bytes; at most 100 are read"):
        probe.load(tmp_path)
    (tmp_path / probe.POOLING_FILE).write_bytes(b"PK half an archive")
    with pytest.raises(ValueError, match="is no archive of arrays"):
        probe.load(tmp_path)


@pytest.mark.parametrize("step", ["../../../other", "/other", "../../members/../../other"])
def test_a_backbone_outside_of_the_model_is_refused(
    fitted: Probe, tmp_path: Path, step: str
) -> None:
    from mineralsweep.serving import network

    probe.save(fitted, tmp_path / "other")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        probe.save(fitted, folder)
    network.combine(folders, CLASSES, tmp_path / "whole")
    second = tmp_path / "whole" / "members" / "1"
    assert (second / probe.SAME_FILE).is_file()
    (second / probe.SAME_FILE).write_text(json.dumps(step))
    with pytest.raises(ValueError, match="must lead to another probe of"):
        probe.load(second)


def test_arrays_that_are_pickled_are_refused(fitted: Probe, tmp_path: Path) -> None:
    probe.save(fitted, tmp_path)
    held = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / probe.POOLING_FILE, **{"fine.directions": held, "fine.ridge": 1.0})
    with pytest.raises(ValueError, match="allow_pickle"):
        probe.load(tmp_path)


def test_probes_of_one_model_share_a_backbone(
    fitted: Probe, images: np.ndarray, tmp_path: Path
) -> None:
    from mineralsweep.serving import network

    def member(name: str, one: Probe) -> Path:
        probe.save(one, tmp_path / name)
        return tmp_path / name

    expected = fitted.predict(images)
    votes = []
    for name in ("x", "y"):  # as with folds of a vote: an ensemble of ensembles
        others = [member(f"{name}{i}", fitted) for i in range(2)]
        network.combine(others, CLASSES, tmp_path / name)
        votes.append(tmp_path / name)
    other = member("other", replace(fitted, prepared_as="another"))
    network.combine([*votes, other], CLASSES, tmp_path / "whole")
    moved = (tmp_path / "whole").rename(tmp_path / "moved")  # as MLflow copies it
    assert len(list(moved.rglob(probe.BACKBONE_FILE))) == 2
    loaded = network.load(moved)
    np.testing.assert_allclose(loaded.predict(images), expected, atol=1e-5)
    one, two = loaded.members[0].members  # type: ignore[attr-defined]
    assert one.network is two.network


def test_probes_of_an_ensemble_of_votes_prepare_an_image_once(
    fitted: Probe, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    prepare = Probe.prepare
    monkeypatch.setattr(
        Probe, "prepare", lambda own, seen: passes.append(len(seen)) or prepare(own, seen)
    )
    vote = Ensemble((fitted, fitted), CLASSES)
    other = replace(fitted, prepared_as="another")
    answers = Ensemble((vote, vote, other), CLASSES).predict(images)
    assert passes == [16, 16, 5, 5]  # once for each of the two; so many at a time bound the memory
    np.testing.assert_allclose(answers, fitted.predict(images), atol=1e-5)


@pytest.mark.parametrize("leads", ['"nowhere"', '"."'])
def test_a_backbone_that_is_not_there_is_told(fitted: Probe, tmp_path: Path, leads: str) -> None:
    probe.save(fitted, tmp_path / "p")
    (tmp_path / "p" / probe.BACKBONE_FILE).unlink()
    (tmp_path / "p" / probe.SAME_FILE).write_text(leads)
    with pytest.raises((OSError, ValueError), match=r"nowhere|leads to no backbone"):
        probe.load(tmp_path / "p")
