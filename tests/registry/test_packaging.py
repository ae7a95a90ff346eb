"""What is registered: compiled, calibrated, and told what it has seen; never of the test split."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import InputError
from mineralsweep.registry import candidate, held_out, packaging, seen
from mineralsweep.registry.packaging import package
from mineralsweep.serving import confidence, familiarity, network, probe, served
from mineralsweep.serving.compiled import CompiledNetwork, CompiledProbe
from mineralsweep.serving.network import Network
from mineralsweep.tracking import Store, open_store, served_model
from mineralsweep.tracking.artifacts import PREDICTIONS
from mineralsweep.tracking.trial_run import ensure_model
from tests import tiny

pytestmark = [
    pytest.mark.usefixtures("store_made"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture
def store() -> Store:
    return open_store()


@pytest.fixture
def dataset(make_folder: Callable[..., Path]) -> Dataset:
    return open_dataset(DataSettings(str(make_folder(20)), "60/20/20", 0))


def run_with_answers(store: Store, dataset: Dataset, rows: tuple[int, ...], folds: int = 1) -> str:
    """Return a run whose answers are right on all images but one, and always 0.6 sure."""
    run_id = str(store.client.create_run(store.experiment_id).info.run_id)
    labels = dataset.labels()
    table = pd.DataFrame({"label": [dataset.classes[labels[row]] for row in rows]})
    for place, name in enumerate(dataset.classes):
        table[f"p_{name}"] = [0.6 if labels[row] == place else 0.2 for row in rows]
    table.loc[0, "label"] = dataset.classes[(labels[rows[0]] + 1) % 3]
    if folds > 1:
        table["fold"] = [1 + at % folds for at in range(len(rows))]
    store.log_table(run_id, table, PREDICTIONS)
    return run_id


def a_network(folder: Path) -> Path:
    network.save(tiny.network(), tiny.CLASSES, folder)
    return folder


def a_probe(folder: Path) -> Path:
    probe.save(tiny.probe(), folder)
    return folder


@pytest.fixture
def packaged(store: Store, dataset: Dataset, tmp_path: Path) -> Callable[[], Path]:
    """Return what packages a network of one split, and returns its folder."""

    def made() -> Path:
        run_id = run_with_answers(store, dataset, dataset.split.validation)
        package(a_network(tmp_path / "n"), tmp_path / "s", dataset, run_id, 1)
        return tmp_path / "s"

    return made


def digests(dataset: Dataset, rows: tuple[int, ...]) -> set[str]:
    return {dataset.catalog.images[row].digest for row in rows}


def test_a_network_of_one_split(dataset: Dataset, packaged: Callable[[], Path]) -> None:
    model = served.load(packaged())
    assert isinstance(model.classifier, CompiledNetwork)
    assert model.temperature < 1  # it is right in 11 of 12, and 0.6 sure
    known = model.familiarity
    assert known is not None
    assert known.held_out == len(dataset.split.validation)
    assert set(known.digests) == digests(dataset, dataset.split.train)
    answer = model.classify(tiny.images(1))[0]
    assert answer.verdict == served.UNLIKE_TRAINING  # noise
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("made", "kind", "share"), [(a_network, CompiledNetwork, 3), (a_probe, CompiledProbe, 1)]
)
def test_with_folds_no_image_is_held_out_that_the_embedding_was_trained_on(
    store: Store,
    dataset: Dataset,
    tmp_path: Path,
    made: Callable[[Path], Path],
    kind: type,
    share: int,
) -> None:
    pool = dataset.pool()
    run_id = run_with_answers(store, dataset, pool, folds=3)
    assert held_out.folds(run_id, dataset) == 3
    package(made(tmp_path / "n"), tmp_path / "s", dataset, run_id, 3)
    model = served.load(tmp_path / "s")
    assert isinstance(model.classifier, kind)
    assert model.familiarity is not None
    assert model.familiarity.held_out == len(pool) // share
    assert set(model.familiarity.digests) <= digests(dataset, pool)
    assert not set(model.familiarity.digests) & digests(dataset, dataset.split.test)


@pytest.mark.parametrize("folds", [1, 3])
def test_a_refit_answers_and_what_is_unlike_is_measured_on_the_model_before(
    store: Store, dataset: Dataset, tmp_path: Path, folds: int
) -> None:
    rows = dataset.pool() if folds > 1 else dataset.split.validation
    run_id = run_with_answers(store, dataset, rows, folds)
    before, after = a_network(tmp_path / "before"), a_network(tmp_path / "after")
    package(before, tmp_path / "plain", dataset, run_id, folds)
    package(before, tmp_path / "refit", dataset, run_id, folds, after)
    plain, refit = served.load(tmp_path / "plain"), served.load(tmp_path / "refit")
    images = tiny.images(3)
    expected = network.load(after).predict(images)
    np.testing.assert_allclose(refit.classifier.predict(images), expected, atol=1e-4)
    assert isinstance(refit.classifier, CompiledNetwork)
    assert refit.temperature == plain.temperature
    assert plain.familiarity is not None
    assert refit.familiarity is not None
    np.testing.assert_array_equal(refit.familiarity.bounds, plain.familiarity.bounds)
    assert refit.familiarity.held_out == plain.familiarity.held_out
    assert set(refit.familiarity.digests) == digests(dataset, dataset.pool())


def test_a_training_that_is_registered_by_hand_twice_has_one_version(
    store: Store, dataset: Dataset, tmp_path: Path
) -> None:
    run_id = run_with_answers(store, dataset, dataset.split.validation)
    store.log_dataset(run_id, dataset, "training and validation")
    packed = tiny.packed(a_network(tmp_path / "n"), tmp_path / "packed")
    trained = ensure_model(store, run_id, packed, {}, 0)
    versions, first = candidate.find(store, f"models:/{trained}")
    assert Path(dataset.source).exists()
    shutil.rmtree(dataset.source)  # its images are needed once
    assert candidate.find(store, f"models:/{trained}")[1] == first
    assert len(versions.every()) == 1


def test_what_can_t_be_compiled_answers_as_it_was_trained(
    packaged: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(folder: Path) -> None:
        next(folder.rglob("*.keras")).unlink()
        raise NotImplementedError("no such operation")

    monkeypatch.setattr(packaging, "compile_folder", fail)
    with caplog.at_level(logging.WARNING):
        model = served.load(packaged())
    assert "no such operation" in caplog.text
    assert isinstance(model.classifier, Network)
    assert model.familiarity is not None
    assert model.classify(tiny.images(1))[0].novelty is not None


def test_a_compiled_model_that_answers_otherwise_is_not_served(
    packaged: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(packaging, "TOLERANCE", -1.0)
    assert isinstance(served.load(packaged()).classifier, Network)
    assert "would differ by" in caplog.text


def test_only_so_many_images_are_looked_at(
    packaged: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "MOST_SEEN", 20)
    monkeypatch.setattr(seen, "FEWEST", 1)
    known = familiarity.load(packaged())
    assert known is not None
    assert len(known.digests) + known.held_out == 20


def test_the_held_out_answers_are_read_as_they_were_written(store: Store, dataset: Dataset) -> None:
    rows = dataset.split.validation
    run_id = run_with_answers(store, dataset, rows)
    probabilities, labels = held_out.answers(run_id, dataset.classes)
    expected = [dataset.labels()[row] for row in rows]
    assert (probabilities.argmax(axis=1) == np.array(expected)).all()
    assert (labels != np.array(expected)).sum() == 1
    assert held_out.folds(run_id, dataset) == 1


def test_repeated_folds_of_which_the_number_is_not_known_are_not_guessed(
    store: Store, dataset: Dataset
) -> None:
    run_id = run_with_answers(store, dataset, dataset.pool())
    with pytest.raises(InputError, match="repeated"):
        held_out.folds(run_id, dataset)


def test_classes_that_look_like_numbers_stay_names(store: Store) -> None:
    run_id = str(store.client.create_run(store.experiment_id).info.run_id)
    table = pd.DataFrame({"label": ["01", "1.0"], "p_01": [0.9, 0.2], "p_1.0": [0.1, 0.8]})
    store.log_table(run_id, table, PREDICTIONS)
    probabilities, labels = held_out.answers(run_id, ("01", "1.0"))
    assert labels.tolist() == [0, 1]
    assert probabilities.tolist() == [[0.9, 0.1], [0.2, 0.8]]


def test_with_few_held_out_images_there_is_no_verdict(
    store: Store, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    few = open_dataset(DataSettings(str(make_folder(10)), "60/20/20", 0))
    run_id = run_with_answers(store, few, few.split.validation)
    package(a_network(tmp_path / "n"), tmp_path / "s", few, run_id, 1)
    assert served.load(tmp_path / "s").familiarity is None


def test_a_served_model_is_made_once_and_a_half_written_one_goes(
    store: Store, dataset: Dataset, tmp_path: Path
) -> None:
    run_id = run_with_answers(store, dataset, dataset.split.validation)
    left = store.client.create_logged_model(store.experiment_id, served_model.NAME, run_id)
    assert served_model.find(store, run_id) is None
    package(a_network(tmp_path / "n"), tmp_path / "s", dataset, run_id, 1)
    made = served_model.log(store, run_id, tmp_path / "s", dataset.catalog.bits)
    assert made != left.model_id
    assert served_model.find(store, run_id) == made
    wanted = f"source_run_id = '{run_id}'"
    there = store.client.search_logged_models([store.experiment_id], filter_string=wanted)
    assert [one.model_id for one in there] == [made]
    assert confidence.load(tmp_path / "s") != 1.0
